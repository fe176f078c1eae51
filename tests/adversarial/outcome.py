"""What became of a case, and the evaluator that decides it."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from evaluator.catalog import load_gpus
from evaluator.devices import Target, choose, detect
from evaluator.gpus import Gpu
from evaluator.request import EvaluatorSettings, Limits, Request, Timer
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Status, Verdict
from tests.adversarial.case import TASK, Case, candidate

CONF = Path(__file__).parents[2] / "conf"
LIMITS = Limits(first_forward_s=30, forward_s=30, search_s=0, compile_s=60, memory_gb=3.0, processes=160, tmp_mb=256)
HONEST_SHARE = 0.9
"""A time below this share of the honest candidate's is an advantage, and not noise."""


@dataclass(frozen=True)
class Bench:
    """An evaluator for the collection's task, and what the honest candidate takes on it (None: nothing is timed)."""

    evaluator: Evaluator
    gpu: Gpu
    honest_ms: float | None = None

    def judge(self, source: str, task: Task = TASK) -> Verdict:
        """The verdict on a candidate that no static rule has seen."""
        digest = hashlib.sha256(source.encode()).hexdigest()
        return self.evaluator.evaluate(Request(source=source, digest=digest, task=task, target=self.gpu))

    def run(self, case: Case) -> Verdict:
        """The verdict on a case, after its primer."""
        if case.primer:
            self.judge(case.primer, case.task)
        return self.judge(case.source, case.task)

    def timed(self) -> "Bench":
        """This bench with the honest candidate's time."""
        verdict = self.judge(candidate())
        return Bench(self.evaluator, self.gpu, verdict.time.median_ms if verdict.time else None)


def without_gpu() -> Bench:
    """A bench that compiles for a target and checks in the interpreter; close its evaluator."""
    gpu = next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")
    return Bench(Evaluator(EvaluatorSettings(limits=LIMITS), device="", target=gpu), gpu)


def on_gpu() -> Bench:
    """A bench on the first GPU; close its evaluator.

    Raises:
        MachineError: there is none.
    """
    target: Target = choose("auto", load_gpus(CONF), detect(), "auto")
    settings = EvaluatorSettings(
        baselines=(),
        limits=LIMITS.model_copy(update={"memory_gb": 16.0, "start_s": 90.0}),
        timer=Timer(rounds=5, max_seconds=0.5),
    )
    assert target.device is not None
    return Bench(Evaluator(settings, device=target.device.uuid, target=target.gpu), target.gpu)


def escaped(case: Case, verdict: Verdict, honest_ms: float | None) -> str:
    """Why the outcome is not the expected one; empty if it is."""
    if verdict.status in case.expected:
        if case.said and not re.search(case.said, verdict.reason, re.IGNORECASE):
            return f"{verdict.status}, but not for the expected reason: {verdict.reason}"
        if case.noted and verdict.status is Status.VERIFIED and not re.search(case.noted, _remarks(verdict)):
            return "verified, and nothing was noted"
        return ""
    if case.paid_in_time and verdict.status is Status.VERIFIED and verdict.time and honest_ms:
        if verdict.time.median_ms >= HONEST_SHARE * honest_ms:
            return ""
        return f"verified in {verdict.time.median_ms:.4f} ms where the honest candidate takes {honest_ms:.4f} ms"
    return f"{verdict.status}: {verdict.reason or 'nothing was noticed'}"


def _remarks(verdict: Verdict) -> str:
    evidence = verdict.evidence
    return "\n".join([*evidence.notes, *(f"{each.get('rule')} {each.get('message')}" for each in evidence.findings)])
