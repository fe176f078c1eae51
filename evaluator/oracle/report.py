"""Gathers what is found out during one evaluation and turns it, or a failure on the way, into a verdict."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evaluator.failing import FailingCase, source_line
from evaluator.gpus import Gpu
from evaluator.occupancy import occupancy
from evaluator.oracle.charges import Mismatch, Violation, WrongOutput
from evaluator.oracle.worker import Unjudgeable, WorkerFailure
from evaluator.request import Request
from evaluator.verdict import Evidence, Gain, KernelFacts, NumericError, Status, Timing, Verdict

Progress = Callable[[str], None]

_COMPILE_ERRORS = frozenset(
    {
        "CompileFailure",
        "CompilationError",
        "CompileTimeAssertionFailure",
        "UnsupportedLanguageConstruct",
        "MLIRError",
        "PTXASError",
        "OutOfResources",
        "SyntaxError",
    }
)


class Report:
    """One evaluation in the making."""

    def __init__(self, request: Request, device: str, progress: Progress) -> None:
        self.request = request
        self.kernels: tuple[KernelFacts, ...] = ()
        self.error: NumericError | None = None
        self.failing: FailingCase | None = None
        self.time: Timing | None = None
        self.gain: Gain | None = None
        self.baseline: dict[Any, Timing | None] = {"eager": None, "compile": None} | dict(request.baseline)
        self.notes: list[str] = []
        self.evidence: dict[str, Any] = {
            "target": request.target.name,
            "precision": request.task.precision.model_dump(),
        }
        self._device = device
        self._progress = progress
        self._seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step and record its wall time."""
        self._progress(name)
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] = round(self._seconds.get(name, 0.0) + time.monotonic() - began, 3)

    def move(self, seconds: float, step: str, to: str) -> None:
        """Count a part of one step's wall time as another step's."""
        for name, more in ((step, -seconds), (to, seconds)):
            self._seconds[name] = round(self._seconds.get(name, 0.0) + more, 3)

    def add_kernels(self, facts: list[dict[str, Any]]) -> None:
        """Take a worker's claims about its kernels and add what follows from them for the target."""
        self.kernels = kernels_on(self.request.target, facts)

    def verdict(self, status: Status, reason: str = "") -> Verdict:
        """The verdict with everything found so far; times only if verified."""
        verified = status is Status.VERIFIED
        return Verdict(
            status=status,
            reason=reason,
            task=self.request.task.name,
            device=self._device,
            time=self.time if verified else None,
            baseline=self.baseline,
            gain=self.gain if verified else None,
            error=self.error,
            failing=None if verified else self.failing,
            kernels=self.kernels,
            evidence=Evidence(**self.evidence, seconds=self._seconds, notes=tuple(dict.fromkeys(self.notes))),
        )

    def failed(self, error: WorkerFailure | Mismatch | Violation) -> Verdict:
        """The verdict for a candidate that failed."""
        if isinstance(error, WrongOutput):
            self.error = error.error
        if isinstance(error, Violation):
            return self.verdict(Status.INTEGRITY_VIOLATION, str(error))
        if isinstance(error, Mismatch):
            return self.verdict(Status.WRONG_OUTPUT, str(error))
        self._place(error.answer or {})
        return self.verdict(status_of(error), error.reason)

    def _place(self, answer: dict[str, Any]) -> None:
        """The line that a worker names, from the source that it was given."""
        line = source_line(self.request.source, answer.get("line"), answer.get("column"))
        if line is not None:
            self.failing = (self.failing or FailingCase()).model_copy(update={"source": line})


def kernels_on(gpu: Gpu, facts: list[dict[str, Any]]) -> tuple[KernelFacts, ...]:
    """A worker's claims about kernels that it compiled for a GPU, with the occupancy that follows from them."""
    known = set(KernelFacts.model_fields)
    kernels = [KernelFacts.model_validate({k: v for k, v in fact.items() if k in known}) for fact in facts]
    return tuple(_with_occupancy(gpu, kernel) for kernel in kernels)


def _with_occupancy(gpu: Gpu, kernel: KernelFacts) -> KernelFacts:
    if kernel.registers is None or kernel.num_warps is None:
        return kernel
    found = occupancy(gpu, kernel.registers, kernel.shared_bytes or 0, kernel.num_warps)
    update = {"occupancy": found.fraction, "limited_by": found.limited_by, "fits": found.blocks_per_sm > 0}
    return kernel.model_copy(update=update)


def status_of(failure: WorkerFailure) -> Status:
    """What a worker's failure is called in a verdict."""
    if failure.kind == "timeout":
        return Status.TIMEOUT
    if failure.kind == "crashed":
        infra = failure.answer is not None and failure.answer.get("at") == "start"
        return Status.INFRA_ERROR if infra else Status.CRASHED
    bases = set((failure.answer or {}).get("bases", ()))
    if isinstance(failure, Unjudgeable) or "NotInterpretable" in bases:
        return Status.UNCHECKED
    return Status.COMPILE_ERROR if bases & _COMPILE_ERRORS else Status.RUNTIME_ERROR
