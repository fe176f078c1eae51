"""Evaluation on a GPU: correctness on fresh secret inputs, then times against the incumbent in alternation."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from evaluator.oracle.correctness import Examination, Violation
from evaluator.oracle.exchange import Mismatch
from evaluator.oracle.reference import Reference
from evaluator.oracle.report import Progress, Report
from evaluator.oracle.statistics import gain, summarise
from evaluator.oracle.worker import Pool, WorkerFailure, WorkerHandle
from evaluator.request import EvaluatorSettings, Request, Timer
from evaluator.tasks import Task
from evaluator.verdict import Status, Timing, Verdict

Answer = TypeVar("Answer")

_WARM_CALLS_OF_COMPILED = 5  # torch.compile may recompile on its second call


@dataclass
class Held:
    """A verified candidate whose worker is kept, since the next request may name it as the incumbent."""

    digest: str
    task: str
    examination: Examination


class Measured:
    """Evaluates candidates on one GPU. Keeps references, and the worker of the incumbent, for its lifetime."""

    def __init__(self, settings: EvaluatorSettings, device: str, l2_bytes: int, workers: Pool) -> None:
        self._settings = settings
        self._device = device
        self._flush_bytes = 2 * l2_bytes
        self._workers = workers
        self._references: dict[str, Reference] = {}
        self._held: list[Held] = []

    def evaluate(self, request: Request, progress: Progress) -> Verdict:
        """One verdict, with times if the candidate is right."""
        report = Report(request, self._device, progress)
        report.evidence["transport"] = "cuda-ipc"
        self._release_except(request.incumbent.digest if request.incumbent else "", request.task.digest)
        try:
            examination = self._examine(request, report)
        except (WorkerFailure, Mismatch, Violation) as error:
            return report.failed(error)
        self._held.append(Held(request.digest, request.task.digest, examination))
        try:
            self._time(request, report, examination.worker)
        except (WorkerFailure, ValueError) as error:
            self._release_except("", "")
            failure = error if isinstance(error, WorkerFailure) else WorkerFailure("failed", f"bad times: {error}")
            return report.failed(failure)
        return report.verdict(Status.VERIFIED)

    def close(self) -> None:
        """End all workers that are kept."""
        self._release_except("", "")

    def _reference(self, task: Task) -> Reference:
        if task.digest not in self._references:
            self._references = {task.digest: Reference(task.reference, str(task.path), "cuda")}
        return self._references[task.digest]

    def _examine(self, request: Request, report: Report) -> Examination:
        """A verified candidate's examination, its worker still alive.

        Raises:
            WorkerFailure, Mismatch, Violation: the candidate failed; its worker is gone.
        """
        with report.step("start"):
            reference = self._reference(request.task)
            examination = Examination(request.task, reference, self._workers.take(), self._settings.limits)
        try:
            with report.step("check"):
                examination.load(request.source, {"autotune": request.autotune})
                report.error = examination.check(self._settings.draws)
            with report.step("inspect"):
                self._inspect(examination, report)
        except BaseException:
            examination.close()
            raise
        finally:
            report.notes += examination.notes
            report.evidence |= {"checked_on": "device", "weights": examination.mapping.how}
        return examination

    def _inspect(self, examination: Examination, report: Report) -> None:
        answer = examination.worker.ask({"do": "facts"}, self._settings.limits.forward_s)
        if not answer["kernels"]:
            raise Violation("forward launched no Triton kernel of the candidate's")
        report.add_kernels(answer["kernels"])
        report.evidence["autotune"] = answer["autotune"]

    def _time(self, request: Request, report: Report, worker: WorkerHandle) -> None:
        for kind in self._settings.baselines:
            if report.baseline[kind] is None:
                with report.step(f"baseline {kind}"):
                    report.baseline[kind] = self._baseline(request.task, kind, report)
        with report.step("settle"):
            incumbent = self._incumbent(request, report)
            self._workers.settle()
        with report.step("time"):
            stopwatch = Interleaving(self._settings.timer, self._flush_bytes, self._settings.limits.forward_s)
            if incumbent is None or request.incumbent is None:
                report.time = stopwatch.alone(worker)
                return
            try:
                report.time, theirs, log_ratios = stopwatch.against(worker, incumbent)
                report.gain = gain(log_ratios, request.incumbent.digest, theirs.median_ms)
            except IncumbentFailure as error:
                report.notes.append(f"the incumbent failed while it was timed: {error}")
                self._release_except(request.digest, request.task.digest)
                report.time = stopwatch.alone(worker)

    def _incumbent(self, request: Request, report: Report) -> WorkerHandle | None:
        """The incumbent's worker: kept from before, or started with its tuned configuration and checked once."""
        named = request.incumbent
        if named is None or named.digest == request.digest:
            return None
        for held in self._held:
            if held.digest == named.digest:
                return held.examination.worker
        examination = Examination(
            request.task, self._reference(request.task), self._workers.take(), self._settings.limits
        )
        try:
            examination.load(named.source, {"autotune": named.autotune})
            examination.check(1)
        except (WorkerFailure, Mismatch, Violation) as error:
            examination.close()
            report.notes.append(f"the incumbent could not be run for comparison: {error}")
            return None
        self._held.append(Held(named.digest, request.task.digest, examination))
        return examination.worker

    def _baseline(self, task: Task, kind: Literal["eager", "compile"], report: Report) -> Timing | None:
        """Time of the reference itself in a worker, under the candidate's protocol (P4)."""
        limits = self._settings.limits
        examination = Examination(task, self._reference(task), self._workers.take(), limits)
        try:
            examination.load(task.reference, {"class": "Model", "compile": kind == "compile"})
            try:
                examination.check(1)
            except Mismatch as error:
                report.notes.append(f"the {kind} baseline is outside the tolerance itself: {error}")
            self._workers.settle()
            timer = self._settings.timer.model_copy(update={"warmup": _WARM_CALLS_OF_COMPILED})
            return Interleaving(timer, self._flush_bytes, limits.first_forward_s).alone(examination.worker)
        except (WorkerFailure, Violation, ValueError) as error:
            report.notes.append(f"the {kind} baseline could not be timed: {error}")
            return None
        finally:
            examination.close()

    def _release_except(self, digest: str, task: str) -> None:
        """Close the kept workers but that of `digest`, the incumbent to be."""
        keep = [held for held in self._held if held.digest == digest and held.task == task]
        for held in self._held:
            if held not in keep:
                held.examination.close()
        self._held = keep


class IncumbentFailure(Exception):
    """The incumbent's worker failed: no fault of the candidate's."""


class Interleaving:
    """Commands the workers' stopwatches so that drift cancels: blocks in the order A B B A, round after round."""

    def __init__(self, timer: Timer, flush_bytes: int, timeout_s: float) -> None:
        self._timer = timer
        self._flush_bytes = flush_bytes
        self._timeout_s = timeout_s

    def alone(self, worker: WorkerHandle) -> Timing:
        """Times of one worker by itself.

        Raises:
            WorkerFailure: the worker failed.
            ValueError: it claimed impossible times.
        """
        repeats, rounds = self._plan(self._warm(worker))
        return summarise([sample for _ in range(2 * rounds) for sample in self._block(worker, repeats)])

    def against(self, worker: WorkerHandle, incumbent: WorkerHandle) -> tuple[Timing, Timing, list[float]]:
        """Times of both, and log(candidate / incumbent) of each round's medians.

        Raises:
            IncumbentFailure: the incumbent's worker failed or claimed impossible times.
            WorkerFailure, ValueError: the candidate's did.
        """
        repeats, rounds = self._plan(max(self._warm(worker), self._incumbents(lambda: self._warm(incumbent))))
        ours: list[float] = []
        theirs: list[float] = []
        log_ratios = []
        for _ in range(rounds):
            first = self._block(worker, repeats)
            other = self._incumbents(lambda: self._block(incumbent, repeats) + self._block(incumbent, repeats))
            mine = first + self._block(worker, repeats)
            log_ratios.append(math.log(summarise(mine).median_ms / summarise(other).median_ms))
            ours += mine
            theirs += other
        return summarise(ours), summarise(theirs), log_ratios

    def _incumbents(self, act: Callable[[], Answer]) -> Answer:
        try:
            return act()
        except (WorkerFailure, ValueError) as error:
            raise IncumbentFailure(str(error)) from error

    def _warm(self, worker: WorkerHandle) -> float:
        message = {"do": "warm", "calls": self._timer.warmup, "flush_bytes": self._flush_bytes}
        return _milliseconds([worker.ask(message, self._timeout_s)["forward_ms"]])[0]

    def _block(self, worker: WorkerHandle, repeats: int) -> list[float]:
        answer = worker.ask({"do": "time", "repeats": repeats}, self._timeout_s)
        return _milliseconds(answer["samples_ms"])

    def _plan(self, forward_ms: float) -> tuple[int, int]:
        """Repeats a block and rounds: as many as the timer asks for, within its GPU seconds."""
        overhead_ms = 0.2  # flush and spin before every forward
        each = forward_ms + overhead_ms
        repeats = max(2, min(100, int(self._timer.block_ms / each)))
        affordable = int(self._timer.max_seconds * 1e3 / (4 * repeats * each))
        return repeats, max(3, min(self._timer.rounds, affordable))


def _milliseconds(claimed: Any) -> list[float]:
    """A worker's times, checked to be positive finite numbers.

    Raises:
        ValueError: they are not.
    """
    if not isinstance(claimed, list) or not claimed:
        raise ValueError("no samples")
    values = [float(value) for value in claimed]
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise ValueError("a time is not a positive number")
    return values
