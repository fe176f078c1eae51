"""compute-sanitizer on a finalist: does one of its kernels touch memory that is not its own?

An access out of bounds that happens to fall into other memory of the process changes no output, and so passes every
comparison. memcheck sees it where each tensor is an allocation of its own: the worker runs without torch's caching
allocator, its inputs are copies on its GPU, and the sizes are the task's small ones, since every access is checked.
"""

from pathlib import Path
from typing import Any

from evaluator.devices import Device
from evaluator.errors import UsageError
from evaluator.gpus import Gpu
from evaluator.oracle import memcheck
from evaluator.oracle.charges import Mismatch, Violation
from evaluator.oracle.instruments import Instrument, Instruments
from evaluator.oracle.profiling import own_kernels
from evaluator.oracle.report import Progress
from evaluator.oracle.sizes import small_reference
from evaluator.oracle.worker import WorkerFailure
from evaluator.request import EvaluatorSettings, Request
from evaluator.verdict import Status, Verdict

CLEAN = "memcheck saw no access out of bounds"

_OUTPUT_KB = 2048
_EXIT_S = 30.0
_SLOWER = 4  # than without it, for a worker's imports, first forward and every other one


class Sanitizer:
    """Runs memcheck where it is installed; says so on the row, and why where it could not be run."""

    def __init__(self, settings: EvaluatorSettings, target: Gpu, device: Device) -> None:
        self._settings = settings
        self._instruments = Instruments(target, device, settings.sandbox)
        self._program = memcheck.find(settings.sanitizer)

    def judge(self, request: Request, verdict: Verdict, progress: Progress) -> Verdict:
        """The verdict with what was seen; a `runtime_error` if a kernel of the candidate's touched other memory.

        Only finalists are looked at: what beat the code it was measured against, and would take its place.
        """
        gain = verdict.gain
        final = request.thorough and gain is not None and gain.reaches(request.min_gain)
        if self._program is None or not final:
            return verdict
        progress("memcheck")
        try:
            accesses = self._accesses(self._program, request, verdict.evidence.autotune)
        except (WorkerFailure, Mismatch, Violation, UsageError) as error:
            return _with(verdict, f"memcheck could not be run: {error}"[:300])
        if not accesses:
            return _with(verdict, CLEAN)
        reason = "compute-sanitizer: " + "; ".join(map(str, accesses[:3]))
        failed = {"status": Status.RUNTIME_ERROR, "reason": reason, "time": None, "gain": None}
        return Verdict.model_validate(dict(verdict) | failed)

    def _accesses(self, program: Path, request: Request, tuned: dict[str, Any]) -> tuple[memcheck.Access, ...]:
        """What memcheck reports of the candidate's kernels during one forward at small sizes."""
        small = small_reference(request.task)
        if isinstance(small, str):
            raise WorkerFailure("failed", small)
        limits = self._settings.limits
        slow = {name: getattr(limits, name) * _SLOWER for name in ("start_s", "first_forward_s", "forward_s")}
        limits = limits.model_copy(update={**slow, "output_kb": _OUTPUT_KB})
        instrument = Instrument(memcheck.command(program), memcheck.ENVIRONMENT, limits, "pinned")
        examination = self._instruments.start(instrument, request.task, small.sizes)
        failure: WorkerFailure | Mismatch | Violation | None = None
        try:
            try:
                examination.load(request.source, {"autotune": tuned})
                examination.check(1)
            except (WorkerFailure, Mismatch, Violation) as error:
                failure = error  # memcheck ends the context of a kernel that it reports, so there may be a report
            output, code = examination.worker.finish(_EXIT_S)
        finally:
            examination.close()
        accesses = memcheck.read(output, own_kernels(request.source))
        if not accesses and (failure is not None or memcheck.SUMMARY not in output):
            raise failure or WorkerFailure("failed", f"it ended with exit code {code} and without its summary")
        return accesses


def _with(verdict: Verdict, note: str) -> Verdict:
    notes = (*verdict.evidence.notes, note)
    return verdict.model_copy(update={"evidence": verdict.evidence.model_copy(update={"notes": notes})})
