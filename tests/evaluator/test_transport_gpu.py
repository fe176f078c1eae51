"""Verdicts on a real GPU whose tensors cross in pinned host memory, as they must where CUDA has no IPC."""

import hashlib
from pathlib import Path

import pytest

from evaluator.catalog import load_tolerance
from evaluator.devices import Target
from evaluator.request import EvaluatorSettings, Incumbent, Request, Timer
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Status, Verdict

from .candidates import FORWARD, KERNEL, MODEL, REFERENCE, candidate

CONF = Path(__file__).parents[2] / "conf"

pytestmark = pytest.mark.gpu
SETTINGS = EvaluatorSettings(
    transport="pinned", baselines=("eager",), sanitizer="none", timer=Timer(rounds=5, max_seconds=1.0)
)


def judge(evaluator: Evaluator, target: Target, source: str, incumbent: str = "") -> Verdict:
    tolerance = load_tolerance("standard", CONF)
    task = Task(name="scaled_relu", reference=REFERENCE, path=Path("scaled_relu.py"), tolerance=tolerance)
    named = Incumbent(digest=_digest(incumbent), source=incumbent) if incumbent else None
    request = Request(source=source, digest=_digest(source), task=task, target=target.gpu, incumbent=named)
    return evaluator.evaluate(request)


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


def test_a_right_candidate_is_measured_and_the_row_names_the_transport(evaluator: Evaluator, target: Target) -> None:
    verdict = judge(evaluator, target, candidate())
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert verdict.evidence.transport == "pinned-host"
    assert verdict.time is not None
    assert verdict.baseline["eager"] is not None


def test_times_are_of_device_memory(evaluator: Evaluator, target: Target) -> None:
    verdict = judge(evaluator, target, candidate())
    assert verdict.time is not None
    moved = 2 * 2000 * 1000 * 4
    assert (
        moved / (verdict.time.median_ms * 1e6) > 130
    )  # GB/s; no PCIe 5.0 link of 16 lanes does more, both ways together


def test_a_slower_incumbent_is_beaten(evaluator: Evaluator, target: Target) -> None:
    slow = candidate(MODEL.replace(FORWARD, "        for _ in range(3): out = out.clone()\n" + FORWARD))
    assert judge(evaluator, target, slow).status is Status.VERIFIED
    verdict = judge(evaluator, target, candidate(), slow)
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert verdict.gain is not None, verdict.evidence.notes
    assert verdict.gain.low > 0.1


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (candidate(kernel=KERNEL.replace("x * gain", "x")), Status.WRONG_OUTPUT),
        (candidate(MODEL.replace(FORWARD, "        x.zero_()\n" + FORWARD)), Status.INTEGRITY_VIOLATION),
    ],
    ids=["wrong", "input changed"],
)
def test_what_is_wrong_is_seen_all_the_same(evaluator: Evaluator, target: Target, source: str, status: Status) -> None:
    assert judge(evaluator, target, source).status is status
