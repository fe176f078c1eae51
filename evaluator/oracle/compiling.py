"""What a worker needs to compile a candidate's forward: the task's reference at its true and at small sizes."""

from dataclasses import dataclass
from typing import Any

from evaluator.errors import UsageError
from evaluator.inside.wire import Message
from evaluator.oracle.draws import fresh_seed
from evaluator.oracle.reference import Reference, TensorSpec, at, true_size_specs
from evaluator.oracle.sizes import MAX_INTERPRETED, elements
from evaluator.request import Request
from evaluator.shrink import shrinkings
from evaluator.tasks import Task


@dataclass(frozen=True)
class Sizes:
    """A task's reference at one set of sizes: constructor arguments and inputs as the worker takes them."""

    init: Any
    inputs: Any
    specs: list[TensorSpec]

    def message(self) -> dict[str, Any]:
        return {"init": self.init, "inputs": self.inputs, "specs": [vars(spec) for spec in self.specs]}


class Forwards:
    """The sizes at which a task's forward is compiled. Keeps each task's references for its lifetime."""

    def __init__(self) -> None:
        self._true: dict[str, Sizes] = {}
        self._small: dict[str, Reference | str] = {}

    def message(self, request: Request) -> Message:
        """The command to compile a candidate; at the small sizes where the true ones can't be traced."""
        small = self.small(request.task)
        return {
            "do": "compile",
            "source": request.source,
            "class": "ModelNew",
            "true": self.true_sizes(request.task).message(),
            "small": _sizes(small).message() if isinstance(small, Reference) else None,
        }

    def true_sizes(self, task: Task) -> Sizes:
        """The task as it is."""
        if task.digest not in self._true:
            self._true[task.digest] = _sizes(Reference(task.reference, str(task.path), "cpu"))
        return self._true[task.digest]

    def small(self, task: Task) -> Reference | str:
        """The reference at sizes that the interpreter can bear, or the reason why there is none."""
        if task.digest not in self._small:
            self._small[task.digest] = small_reference(task)
        return self._small[task.digest]


def _sizes(reference: Reference) -> Sizes:
    inputs, specs = true_size_specs(reference, fresh_seed())
    return Sizes(reference.init, inputs, specs)


def small_reference(task: Task) -> Reference | str:
    """The reference on the CPU at sizes that the interpreter can bear, or the reason why there is none."""
    if task.small:
        return at(task, task.small, "cpu")
    for sizes in shrinkings(task.reference):
        try:
            reference = at(task, sizes, "cpu")
            count = elements(reference)
        except UsageError:
            continue
        if count <= MAX_INTERPRETED:
            return reference
    return (
        f"no small sizes for a check in the interpreter could be found by changing the integers of "
        f"{task.path}; name some under 'small' in a task file, or check on a GPU"
    )
