"""What torch.compile generates for a task: asked of a worker at the true sizes and at sizes near them.

Near means: between the same powers of two, so that Inductor's heuristics choose alike, and odd where the true size
allows it, so that no block divides it and every mask is written out.
"""

import ast
from collections.abc import Iterator
from itertools import permutations

from pydantic import ValidationError

from evaluator.errors import UsageError
from evaluator.generation import MOST_CHARACTERS, Generation
from evaluator.oracle.operators import forbidden
from evaluator.oracle.reference import Reference
from evaluator.oracle.sizes import elements
from evaluator.oracle.worker import Pool, WorkerFailure
from evaluator.request import Limits
from evaluator.shrink import changeable, integers, named, override_integers
from evaluator.tasks import Task

TEXTS = 3
"""Generated at near sizes. A relation between sizes that holds in all of them and at the true sizes is no accident."""

_STEPS = (1, 2, 4, 8, 16, 32)
_DIGITS = 5


def generate(task: Task, workers: Pool, limits: Limits, device: str) -> Generation:
    """Have a worker compile the reference; what can't be worked with comes back as a reason."""
    try:
        sets: list[dict[str, int]] = [{}, *near(task)]
    except UsageError as error:
        return Generation(device=device, reason=f"{error.problem}. {error.remedy}")
    message = {
        "do": "generate",
        "sources": [override_integers(task.reference, sizes) for sizes in sets],
        "sizes": sets,
        "precision": task.precision.model_dump(),
    }
    try:
        worker = workers.take()
        try:
            answer = worker.ask(message, limits.first_forward_s * len(sets))["generation"]
        finally:
            worker.kill()
        made = Generation.model_validate(answer)
    except WorkerFailure as failure:
        return Generation(device=device, reason=f"torch.compile gives no code to work with: {failure.reason}")
    except ValidationError as error:
        return Generation(device=device, reason=f"the worker broke the protocol: {error.errors()[0]['msg']}")
    return made.model_copy(update={"device": device, "reason": obstacle(made, task)})


def obstacle(made: Generation, task: Task) -> str:
    """Why what was generated is no beginning for this task; empty if it is one."""
    if made.true is None or not made.near:
        return "the worker broke the protocol: it sent no code"
    if any(len(graph.code) > MOST_CHARACTERS for graph in (made.true, *made.near)):
        return f"torch.compile generates more than {MOST_CHARACTERS} characters for this reference"
    left = forbidden(dict.fromkeys(left_to_torch(made.true.code), 1), task.torch_ops)
    if left:
        names = ", ".join(left)
        return f"Inductor leaves {names} to torch's own kernels, which the task's torch_ops do not allow"
    return ""


def left_to_torch(code: str) -> list[str]:
    """The operators that generated code calls as they are (`extern_kernels.addmm`), in order."""
    found = [
        node.func.attr
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "extern_kernels"
    ]
    return list(dict.fromkeys(found))


def near(task: Task) -> list[dict[str, int]]:
    """Sets of sizes near the true ones, at which the reference runs.

    Raises:
        UsageError: none of the sizes that the task lets vary can be changed a little.
    """
    for true in _varying(task):
        for step in _STEPS:
            sets = list(differing(true, step))
            if all(sets) and all(_runs(task, sizes) for sizes in sets):
                return sets
    raise UsageError(
        f"the reference of {task.name} does not run at sizes a little below its own",
        "Name the integers that may vary under 'small' in the task's file.",
    )


def _varying(task: Task) -> list[dict[str, int]]:
    """Which sizes to change: those that the task says may vary, else all of them, or those that have a name."""
    known = integers(task.reference)
    if told := {name: known[name] for name in (*task.small, *task.vary) if name in known}:
        return [told]
    return [changeable(task.reference), named(task.reference)]


def differing(true: dict[str, int], step: int) -> Iterator[dict[str, int]]:
    """TEXTS sets of sizes, an odd number of steps from the true ones. Each differs from set to set where there is room
    for it, and no two of the first sixty move alike.
    """
    ways = list(permutations(range(_DIGITS), TEXTS))
    for text in range(TEXTS):
        changed = {}
        for index, (name, value) in enumerate(true.items()):
            digit = ways[index * 7 % len(ways)][text]
            moved = _moved(value, step * (2 * digit + 1 + value % 2), step)
            if moved != value:
                changed[name] = moved
        yield changed


def _moved(value: int, by: int, step: int) -> int:
    """`value` less `by`, or more, or as it is: between the same powers of two."""
    top = 1 << (value - 1).bit_length()
    while by > 0:
        if value - by > top // 2:
            return value - by
        if value + by <= top:
            return value + by
        by -= 2 * step
    return value


def _runs(task: Task, sizes: dict[str, int]) -> bool:
    try:
        elements(Reference(override_integers(task.reference, sizes), str(task.path), "cpu"))
    except UsageError:
        return False
    return True
