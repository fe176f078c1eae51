"""Do the candidate's own kernels do the work? Verdicts on a real GPU, with Kineto's profile and launches left out."""

import hashlib
from pathlib import Path

import pytest

from evaluator.catalog import load_task, load_tolerance
from evaluator.devices import Target
from evaluator.request import EvaluatorSettings, Limits, Request, Timer
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Status, Verdict

from .candidates import FORWARD, REFERENCE, candidate
from .doubtful import CHEATS, HONEST, USELESS, Doubtful, model

CONF = Path(__file__).parents[2] / "conf"

pytestmark = pytest.mark.gpu
SETTINGS = EvaluatorSettings(
    draws=2,
    baselines=(),
    limits=Limits(first_forward_s=30, forward_s=10),
    timer=Timer(max_seconds=0.2),
)


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(
        name="scaled_relu", reference=REFERENCE, path=Path("scaled_relu.py"), tolerance=load_tolerance("standard", CONF)
    )


def judge(evaluator: Evaluator, task: Task, target: Target, source: str) -> Verdict:
    digest = hashlib.sha256(source.encode()).hexdigest()
    return evaluator.evaluate(Request(source=source, digest=digest, task=task, target=target.gpu))


def test_all_the_time_of_an_honest_candidate_is_in_its_own_kernel(
    evaluator: Evaluator, task: Task, target: Target
) -> None:
    verdict = judge(evaluator, task, target, candidate())
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert verdict.evidence.own_share == pytest.approx(1.0)
    assert verdict.evidence.ablated
    assert verdict.evidence.findings == ()
    assert verdict.evidence.torch_operators == {}


def test_copies_take_their_part_of_the_time(evaluator: Evaluator, task: Task, target: Target) -> None:
    source = model(FORWARD, "        for _ in range(4): out = out.clone()\n" + FORWARD)
    verdict = judge(evaluator, task, target, source)
    assert verdict.status is Status.VERIFIED, verdict.reason
    assert verdict.evidence.own_share is not None
    assert 0.02 < verdict.evidence.own_share < 0.5
    assert [finding["rule"] for finding in verdict.evidence.findings] == ["own-share"]


@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS.keys())
def test_a_candidate_whose_kernels_do_not_do_the_work_is_convicted(
    evaluator: Evaluator, task: Task, target: Target, cheat: Doubtful
) -> None:
    verdict = judge(evaluator, task.model_copy(update={"torch_ops": cheat.torch_ops}), target, cheat.source)
    assert (verdict.status, verdict.time) == (cheat.status, None), verdict.reason
    assert cheat.words in verdict.reason


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST.keys())
def test_an_honest_candidate_passes(evaluator: Evaluator, task: Task, target: Target, source: str) -> None:
    verdict = judge(evaluator, task, target, source)
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert verdict.evidence.ablated


def test_a_kernel_that_changes_nothing_is_named(evaluator: Evaluator, task: Task, target: Target) -> None:
    verdict = judge(evaluator, task, target, USELESS)
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert [finding["rule"] for finding in verdict.evidence.findings] == ["unused-kernel"]
    assert "scale_kernel" in verdict.evidence.findings[0]["message"]


def test_the_convolution_of_the_default_task_is_seen_beside_the_kernel(evaluator: Evaluator, target: Target) -> None:
    bundled = load_task("convtranspose_layernorm_gelu", CONF)
    verdict = judge(evaluator, bundled, target, bundled.start)
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert list(verdict.evidence.torch_operators) == ["convolution"]
    assert verdict.evidence.own_share is not None
    assert 0.05 < verdict.evidence.own_share < 0.95
    assert verdict.evidence.ablated
