"""Evaluation where there is no GPU (P19): compile for the target at true sizes, check numerics at small ones."""

import math
import time

from evaluator.oracle import failing
from evaluator.oracle.ablation import Ablation
from evaluator.oracle.charges import Mismatch, Violation
from evaluator.oracle.compiling import Forwards
from evaluator.oracle.correctness import Effort, Examination
from evaluator.oracle.integrity import Integrity, read_claim
from evaluator.oracle.operators import NEGLIGIBLE, NEGLIGIBLE_SMALL, check_policy
from evaluator.oracle.report import Progress, Report
from evaluator.oracle.resizing import check_larger, check_sizes
from evaluator.oracle.sequence import check_staleness
from evaluator.oracle.worker import Pool, WorkerFailure
from evaluator.request import EvaluatorSettings, Request
from evaluator.verdict import Status, Verdict


class Unmeasured:
    """Evaluates candidates without a GPU. Keeps each task's references for its lifetime."""

    def __init__(self, settings: EvaluatorSettings, compilers: Pool, interpreters: Pool) -> None:
        self._settings = settings
        self._compilers = compilers
        self._interpreters = interpreters
        self._forwards = Forwards()

    def evaluate(self, request: Request, progress: Progress) -> Verdict:
        """One verdict, never a time."""
        report = Report(request, request.target.unmeasured, progress)
        report.evidence["transport"] = "memfd"
        check_policy(request.task.torch_ops, str(request.task.path))
        try:
            integrity = Integrity(request.task)
            self._compile(request, report, integrity)
            return self._check(request, report, integrity)
        except (WorkerFailure, Mismatch, Violation) as error:
            with report.step("failing case"):
                report.failing = failing.find(request, error, self._interpreters, self._settings.limits, "cpu")
            return report.failed(error)

    def _compile(self, request: Request, report: Report, integrity: Integrity) -> None:
        """Facts about every kernel that forward launches; a kernel that can't run on the target fails."""
        with report.step("compile"):
            message = self._forwards.message(request)
            worker = self._compilers.take()
            try:
                answer = worker.ask(message, self._settings.limits.compile_s)
            finally:
                worker.kill()
        report.notes += answer["notes"]
        if not answer["kernels"]:
            raise Violation("forward launches no Triton kernel")
        if answer["sizes"] == "true":
            inputs = max((math.prod(spec.shape) for spec in self._forwards.true_sizes(request.task).specs), default=0)
            integrity.read_operators(read_claim(answer).operators, inputs, NEGLIGIBLE)
            integrity.read_flops(answer)
        report.add_kernels(answer["kernels"])
        if not any(kernel.fits for kernel in report.kernels):
            raise WorkerFailure("failed", _too_large(report), {"bases": ["OutOfResources"]})

    def _check(self, request: Request, report: Report, integrity: Integrity) -> Verdict:
        small = self._forwards.small(request.task)
        if isinstance(small, str):
            return report.verdict(Status.UNCHECKED, small)
        effort = Effort(self._settings.derived_s, self._settings.memory_cap_gb)
        examination = Examination(request.task, small, self._interpreters.take(), self._settings.limits, effort)
        try:
            with report.step("check"):
                examination.load(request.source, {"autotune": request.autotune})
                began = time.monotonic()
                report.error = examination.check(self._settings.draws)
                took = (time.monotonic() - began) / report.error.draws
                examination.judge_precision(report.error, report.kernels)
                check_sizes(examination)
                check_larger(examination, self._forwards.larger(request.task), took)
            with report.step("integrity"):
                self._doubt(request, report, examination, integrity)
        finally:
            examination.close()
        report.notes += examination.notes
        report.evidence |= {"checked_on": "interpreter", "weights": examination.weights.mapping.how}
        return report.verdict(Status.VERIFIED)

    def _doubt(self, request: Request, report: Report, examination: Examination, integrity: Integrity) -> None:
        """Is it the candidate's kernels that made the outputs, anew for each input?"""
        limits = self._settings.limits
        try:
            integrity.read_claims(examination, NEGLIGIBLE_SMALL)
            check_staleness(examination, limits.forward_s)
            if request.thorough:
                worker = self._interpreters.take()
                with Ablation(examination, worker, request.source, request.autotune, limits) as ablation:
                    ablation.run(integrity, NEGLIGIBLE_SMALL)
            integrity.conclude()
        finally:
            report.evidence |= integrity.evidence()


def _too_large(report: Report) -> str:
    gpu = report.request.target
    kernel = report.kernels[0]
    return (
        f"kernel {kernel.name} does not fit on {gpu.title}: {kernel.shared_bytes} B of shared memory a block "
        f"(limit {gpu.shared_per_block_bytes}), {kernel.registers} registers a thread, {kernel.num_warps} warps"
    )
