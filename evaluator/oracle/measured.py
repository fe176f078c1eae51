"""Evaluation on a GPU: correctness on fresh secret inputs, then times against the incumbent in alternation."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Literal

from evaluator.oracle import failing
from evaluator.oracle.ablation import Ablation
from evaluator.oracle.charges import Mismatch, Violation
from evaluator.oracle.correctness import Effort, Examination
from evaluator.oracle.integrity import Integrity, read_work
from evaluator.oracle.kept import Kept
from evaluator.oracle.operators import NEGLIGIBLE, check_policy
from evaluator.oracle.profiling import own_kernels
from evaluator.oracle.reference import Reference
from evaluator.oracle.report import Progress, Report
from evaluator.oracle.resizing import check_sizes
from evaluator.oracle.sequence import check_staleness
from evaluator.oracle.statistics import pooled
from evaluator.oracle.timing.canary import Canary, Disturbance
from evaluator.oracle.timing.contestant import Contestant
from evaluator.oracle.timing.control import Control
from evaluator.oracle.timing.interleaving import IncumbentFailure
from evaluator.oracle.timing.serial import fits_twice
from evaluator.oracle.timing.trial import Outcome, Pair, Trial
from evaluator.oracle.worker import Pool, WorkerFailure
from evaluator.request import EvaluatorSettings, Incumbent, Request
from evaluator.tasks import Task
from evaluator.verdict import Status, Timing, Verdict

_WARM_CALLS_OF_COMPILED = 5  # torch.compile may recompile on its second call


class Measured:
    """Evaluates candidates on one GPU. Keeps references, and the worker of the incumbent, for its lifetime."""

    def __init__(self, settings: EvaluatorSettings, device: str, l2_bytes: int, workers: Pool) -> None:
        self._settings = settings
        self._device = device
        self._l2_bytes = l2_bytes
        canary = Canary()
        self._trial = Trial(settings.timer, os.environ.get("CUDA_VISIBLE_DEVICES", ""), canary)
        self._control = Control(workers.new, canary, settings.limits.forward_s)
        self._workers = workers
        self._references: dict[str, Reference] = {}
        self._kept = Kept()
        self._too_large: set[str] = set()  # tasks of which the card holds one worker only

    def evaluate(self, request: Request, progress: Progress) -> Verdict:
        """One verdict, with times if the candidate is right."""
        report = Report(request, self._device, progress)
        check_policy(request.task.torch_ops, str(request.task.path))
        self._control.warm()
        kept = request.incumbent.digest if request.incumbent and request.task.digest not in self._too_large else ""
        self._kept.release_except(kept, request.task.digest)
        integrity = Integrity(request.task)
        try:
            examination = self._examine(request, report, integrity)
        except (WorkerFailure, Mismatch, Violation) as error:
            with report.step("failing case"):
                report.failing = failing.find(request, error, self._workers, self._settings.limits, "cuda")
            return report.failed(error)
        ours = self._kept.hold(request.digest, examination, self._contestant(examination))
        try:
            self._time(request, report, ours, integrity)
            if _would_be_kept(request, report):
                self._ablate(request, report, examination, integrity)
            integrity.conclude()
        except (WorkerFailure, Mismatch, Violation, Disturbance, ValueError) as error:
            self._kept.release_except()
            return report.failed(_failure(error))
        finally:
            examination.judged = None  # the outputs that were kept may be gigabytes
            report.evidence |= integrity.evidence()
        return report.verdict(Status.VERIFIED)

    def close(self) -> None:
        """End all workers that are kept."""
        self._kept.release_except()
        self._control.close()

    def _reference(self, task: Task) -> Reference:
        if task.digest not in self._references:
            self._references = {task.digest: Reference(task.reference, str(task.path), "cuda")}
        return self._references[task.digest]

    def _examine(self, request: Request, report: Report, integrity: Integrity) -> Examination:
        """A verified candidate's examination, its worker still alive.

        Raises:
            WorkerFailure, Mismatch, Violation: the candidate failed; its worker is gone.
        """
        with report.step("start"):
            reference = self._reference(request.task)
            effort = Effort(self._settings.derived_s, self._settings.memory_cap_gb)
            examination = Examination(request.task, reference, self._workers.take(), self._settings.limits, effort)
        try:
            with report.step("check"):
                examination.load(request.source, {"autotune": request.autotune})
                report.error = examination.check(self._settings.draws)
                check_sizes(examination)
            with report.step("inspect"):
                self._inspect(examination, report)
                integrity.read_claims(examination, NEGLIGIBLE)
                check_staleness(examination, self._settings.limits.forward_s)
        except BaseException:
            examination.close()
            raise
        finally:
            report.move(examination.compile_s, "check", "compile")
            report.notes += examination.notes
            report.evidence |= integrity.evidence()
            report.evidence |= {"checked_on": "device", "weights": examination.weights.mapping.how}
        return examination

    def _inspect(self, examination: Examination, report: Report) -> None:
        answer = examination.worker.ask({"do": "facts"}, self._settings.limits.forward_s)
        if not answer["kernels"]:
            raise Violation("forward launched no Triton kernel of the candidate's")
        report.add_kernels(answer["kernels"])
        if report.error is not None:
            examination.judge_precision(report.error, report.kernels)
        report.evidence["autotune"] = answer["autotune"]

    def _ablate(self, request: Request, report: Report, examination: Examination, integrity: Integrity) -> None:
        """Is it the candidate's kernels that made the outputs?

        What disturbs a process for good, the profiler above all, happens in a worker that nothing is timed in.
        """
        limits = self._settings.limits
        with report.step("integrity"):
            worker, tuned = self._workers.take(), report.evidence["autotune"]
            with Ablation(examination, worker, request.source, tuned, limits) as ablation:
                timed = self._contestant(ablation.trial)
                self._time_again(request, report, timed)
                ablation.whole()
                integrity.read_flops(ablation.trial.exchange.claims[-1])
                self._watch(timed, integrity)
                work = worker.ask({"do": "kernel_times"}, limits.forward_s)["kernels"]  # on the same slot
                read_work(work, own_kernels(request.source), integrity)
                ablation.run(integrity, NEGLIGIBLE)  # last: what reads garbage may break the GPU's context

    def _watch(self, timed: Contestant, integrity: Integrity) -> None:
        """Torch may not do the work where forwards are timed, whatever they do where they are checked."""
        for capture in timed.captures:
            integrity.read_capture(timed.examination, capture.said, capture.slots, NEGLIGIBLE)
        timed.run_like_timed()
        integrity.read_claims(timed.examination, NEGLIGIBLE)

    def _time_again(self, request: Request, report: Report, ours: Contestant) -> None:
        """What goes on the board comes from two workers, since a worker's time holds the luck of its memory."""
        assert report.time is not None
        with self._workers.quiet(), self._kept.stopped(request.digest):
            again = self._trial.alone(ours).time
        apart = again.median_ms / report.time.median_ms - 1
        report.notes.append(f"timed in two workers, {abs(apart):.2%} apart")
        report.time = pooled(report.time, again)

    def _time(self, request: Request, report: Report, ours: Contestant, integrity: Integrity) -> None:
        for kind in self._settings.baselines:
            if report.baseline[kind] is None:
                with report.step(f"baseline {kind}"), self._kept.stopped(request.digest):
                    report.baseline[kind] = self._baseline(request.task, kind, report)
        with report.step("opponent"):
            apart = self._apart(request, ours)
            incumbent = None if apart else self._incumbent(request, report)
        with report.step("time"), self._workers.quiet():
            if apart:
                outcome = self._serially(request, report, ours, integrity)
            else:
                outcome = self._outcome(request, report, ours, incumbent)
                self._watch(ours, integrity)
        report.time, report.gain = outcome.time, outcome.gain
        report.notes += outcome.notes

    def _apart(self, request: Request, ours: Contestant) -> bool:
        """Whether there is an incumbent that does not fit the card together with the candidate (P8)."""
        if fits_twice(ours, self._l2_bytes, self._settings.memory_cap_gb):
            return False
        self._too_large.add(request.task.digest)
        return request.incumbent is not None and request.incumbent.digest != request.digest

    def _serially(self, request: Request, report: Report, ours: Contestant, integrity: Integrity) -> Outcome:
        """Candidate, incumbent and candidate again, each in a worker of its own; no gain if the incumbent fails."""
        assert request.incumbent is not None
        candidate = Incumbent(digest=request.digest, source=request.source, autotune=report.evidence["autotune"])
        first = self._trial.series(ours)
        self._watch(ours, integrity)
        self._kept.release_except()
        try:
            with self._started(request.task, request.incumbent) as contestant:
                theirs = self._trial.series(contestant)
        except (WorkerFailure, Mismatch, Violation, ValueError) as error:
            report.notes.append(f"the incumbent could not be run for comparison: {error}")
            return Outcome(self._trial.timing(first.samples_ms), None, ())
        with self._started(request.task, candidate) as contestant:
            again = self._trial.series(contestant)
        return self._trial.compare(first, theirs, again, request.incumbent.digest)

    def _outcome(self, request: Request, report: Report, ours: Contestant, incumbent: Contestant | None) -> Outcome:
        if incumbent is not None:
            assert request.incumbent is not None
            digest = request.incumbent.digest
            fresh = partial(self._fresh_pair, request, report.evidence["autotune"])
            try:
                return self._trial.against(ours, incumbent, digest, request.min_gain, fresh)
            except IncumbentFailure as error:
                report.notes.append(f"the incumbent failed while it was timed: {error}")
                self._kept.release_except(request.digest, request.task.digest)
        return self._trial.alone(ours)

    def _incumbent(self, request: Request, report: Report) -> Contestant | None:
        """The incumbent's worker: kept from before, or started with its tuned configuration and checked once."""
        named = request.incumbent
        if named is None or named.digest == request.digest:
            return None
        if kept := self._kept.find(named.digest):
            return kept
        try:
            examination = self._once_more(request.task, named)
        except (WorkerFailure, Mismatch, Violation) as error:
            report.notes.append(f"the incumbent could not be run for comparison: {error}")
            return None
        return self._kept.hold(named.digest, examination, self._contestant(examination))

    @contextmanager
    def _fresh_pair(self, request: Request, autotune: dict[str, object]) -> Iterator[Pair]:
        """The candidate and the incumbent in new workers, with new memory.

        Raises:
            WorkerFailure, Mismatch, Violation: one of them failed this time.
        """
        assert request.incumbent is not None
        candidate = Incumbent(digest=request.digest, source=request.source, autotune=autotune)
        with self._kept.stopped(request.digest), ExitStack() as stack:
            with self._workers.starting(2):
                ours = stack.enter_context(self._started(request.task, candidate))
                theirs = stack.enter_context(self._started(request.task, request.incumbent))
            yield ours, theirs

    @contextmanager
    def _started(self, task: Task, code: Incumbent) -> Iterator[Contestant]:
        examination = self._once_more(task, code)
        try:
            yield self._contestant(examination)
        finally:
            examination.close()

    def _once_more(self, task: Task, code: Incumbent) -> Examination:
        """Verified code in a new worker, with the configuration that its tuning chose, checked once."""
        examination = Examination(task, self._reference(task), self._workers.take(), self._settings.limits)
        try:
            examination.load(code.source, {"autotune": code.autotune})
            examination.check(1)
        except BaseException:
            examination.close()
            raise
        return examination

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
            timer = self._settings.timer.model_copy(update={"warmup": _WARM_CALLS_OF_COMPILED})
            contestant = Contestant(examination, timer, self._l2_bytes, limits.first_forward_s, self._control, False)
            with self._workers.quiet():
                outcome = self._trial.alone(contestant)
        except (WorkerFailure, Mismatch, Violation, ValueError) as error:
            report.notes.append(f"the {kind} baseline could not be timed: {error}")
            return None
        finally:
            examination.close()
        report.notes += [f"{kind} baseline: {note}" for note in outcome.notes]
        return outcome.time

    def _contestant(self, examination: Examination) -> Contestant:
        settings = self._settings
        return Contestant(examination, settings.timer, self._l2_bytes, settings.limits.forward_s, self._control)


def _would_be_kept(request: Request, report: Report) -> bool:
    """Only what would replace the incumbent, or has none to beat, is worth a second worker and its compilation."""
    return request.thorough and (report.gain is None or report.gain.reaches(request.min_gain))


def _failure(error: Exception) -> WorkerFailure | Mismatch | Violation:
    """What the candidate is charged with for what happened while it was timed."""
    if isinstance(error, Disturbance):
        if error.by == "candidate":
            return Violation(str(error))
        return WorkerFailure("crashed", str(error), {"at": "start"})
    if isinstance(error, WorkerFailure | Mismatch | Violation):
        return error
    return WorkerFailure("failed", f"bad times: {error}")
