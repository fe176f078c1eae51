"""Other sizes: a candidate must be right wherever the task says that a dimension may vary (`vary`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evaluator.errors import UsageError
from evaluator.inside import tree
from evaluator.oracle.reference import Reference, at
from evaluator.tasks import Task

MAX_INTERPRETED = 1 << 20  # elements of all inputs and outputs together; the interpreter is slow


@dataclass(frozen=True)
class Variant:
    """The task at other sizes. `reference` is None if they are too large for where the check runs."""

    sizes: dict[str, int]
    reference: Reference | None

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.sizes.items())


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
