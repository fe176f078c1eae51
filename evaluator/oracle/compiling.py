"""What a worker needs to compile a candidate's forward: the task's reference at its true and at small sizes."""

from dataclasses import dataclass
from typing import Any

from evaluator.inside.wire import Message
from evaluator.oracle.draws import fresh_seed
from evaluator.oracle.reference import Reference, TensorSpec, true_size_specs
from evaluator.oracle.sizes import Rung, ladder, small_reference
from evaluator.request import Request
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
        self._larger: dict[str, tuple[Rung, ...]] = {}

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

    def larger(self, task: Task) -> tuple[Rung, ...]:
        """The small sizes and larger ones to try besides, where nobody named any; else none."""
        if task.digest not in self._larger:
            small = None if task.small else self.small(task)
            self._larger[task.digest] = ladder(task, small) if isinstance(small, Reference) else ()
        return self._larger[task.digest]


def _sizes(reference: Reference) -> Sizes:
    inputs, specs = true_size_specs(reference, fresh_seed())
    return Sizes(reference.init, inputs, specs)
