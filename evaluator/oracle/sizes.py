"""Other sizes than the true ones: those that a task says may vary (`vary`), and small ones for the interpreter."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evaluator.errors import UsageError
from evaluator.inside import tree
from evaluator.oracle.reference import Reference, at
from evaluator.shrink import shrinkings
from evaluator.tasks import Task

MAX_INTERPRETED = 1 << 20  # elements of all inputs and outputs together; the interpreter is slow
_TELLING = 1 << 9  # of two by two elements none is large, and a saturated output is constant
_COMFORTABLE = 1 << 16  # 128 by 128 by 128 for a product, which is several blocks


@dataclass(frozen=True)
class Variant:
    """The task at other sizes. `reference` is None if they are too large for where the check runs."""

    sizes: dict[str, int]
    reference: Reference | None

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.sizes.items()) or "its true sizes"


def combinations(vary: dict[str, tuple[int, ...]]) -> list[dict[str, int]]:
    """Sets of sizes: the first values of all names, then the second ones; a name with fewer values repeats its last."""
    count = max((len(values) for values in vary.values()), default=0)
    return [
        {name: values[min(index, len(values) - 1)] for name, values in vary.items() if values} for index in range(count)
    ]


def variants(task: Task, device: str) -> Iterator[Variant]:
    """The task at each of its other sizes: of the true ones on a GPU, of the small ones in the interpreter.

    Raises:
        UsageError: the reference does not run at such sizes.
    """
    base = {} if device == "cuda" else task.small
    for sizes in combinations(task.vary):
        try:
            reference = at(task, base | sizes, device)
            bearable = device == "cuda" or elements(reference) <= MAX_INTERPRETED
        except UsageError as error:
            chosen = Variant(sizes, None)
            raise UsageError(f"{error.problem}, at {chosen}", "Correct 'vary' in the task's file.") from error
        yield Variant(sizes, reference if bearable else None)


def elements(reference: Reference) -> int:
    """Elements of all inputs and outputs, found without computing; raises UsageError if these sizes don't fit."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        inputs = reference.inputs(0)
        tensors: list[Any] = []
        tree.flatten(inputs, tensors)
        _, outputs = reference.run(reference.model(0), inputs)
        return sum(tensor.numel() for tensor in [*tensors, *outputs])


def small_reference(task: Task) -> Reference | str:
    """The reference on the CPU at sizes that the interpreter can bear, or the reason why there is none.

    Those that the task names; else the smallest at which distributions of inputs differ in more than name.
    """
    if task.small:
        return at(task, task.small, "cpu")
    smallest: Reference | None = None
    for reference, count in _bearable(task, MAX_INTERPRETED):
        if count >= _TELLING:
            return reference
        smallest = smallest or reference
    return smallest or (
        f"no small sizes for a check in the interpreter could be found by changing the integers of "
        f"{task.path}; name some under 'small' in a task file, or check on a GPU"
    )


def _bearable(task: Task, most: int) -> Iterator[tuple[Reference, int]]:
    """The reference at all sizes to try, with their elements: at most so many."""
    for sizes in shrinkings(task.reference):
        try:
            reference = at(task, sizes, "cpu")
            count = elements(reference)
        except UsageError:
            continue
        if count <= most:
            yield reference, count


@dataclass(frozen=True)
class Rung:
    """Sizes of a check in the interpreter."""

    name: str
    reference: Reference
    elements: int


def ladder(task: Task, first: Reference) -> tuple[Rung, ...]:
    """The sizes of the first check and all larger ones to try, by the elements of their inputs and outputs."""
    least = elements(first)
    found = {least: first}
    for reference, count in _bearable(task, _COMFORTABLE):
        if count > least:
            found.setdefault(count, reference)
    return tuple(Rung(str(Variant(found[count].sizes, None)), found[count], count) for count in sorted(found))
