"""On a GPU: ceilings are plausible, a forward's work is all there, and kernels are held against what they need."""

import hashlib
from pathlib import Path

import pytest

from evaluator import roofline
from evaluator.catalog import load_task
from evaluator.devices import Target
from evaluator.request import EvaluatorSettings, Request, Timer
from evaluator.service import Evaluator
from evaluator.verdict import Status, Verdict

CONF = Path(__file__).parents[2] / "conf"

pytestmark = pytest.mark.gpu
SETTINGS = EvaluatorSettings(baselines=("eager",), timer=Timer(rounds=3, max_seconds=0.5))


def judge(evaluator: Evaluator, target: Target, name: str) -> Verdict:
    task = load_task(name, CONF)
    digest = hashlib.sha256(task.start.encode()).hexdigest()
    verdict = evaluator.evaluate(Request(source=task.start, digest=digest, task=task, target=target.gpu))
    assert verdict.status is Status.VERIFIED, verdict.reason
    return verdict


def test_ceilings_lie_below_the_datasheets_peaks_and_not_far(evaluator: Evaluator, target: Target) -> None:
    found, gpu = evaluator.ceilings(), target.gpu
    assert found.source == "measured"
    assert 0.6 < found.copy_gb_s / gpu.bandwidth_gb_s < 1.05
    for rate in ("fp32", "tf32", "fp16", "bf16"):
        peak = getattr(gpu, f"{rate}_tflops")
        assert 0.3 < getattr(found, f"{rate}_tflops") / peak < 1.1, rate
    again = evaluator.ceilings()
    assert again.copy_gb_s == pytest.approx(found.copy_gb_s, rel=0.05)


def test_the_default_tasks_time_is_told_by_kernel(evaluator: Evaluator, target: Target) -> None:
    verdict = judge(evaluator, target, "convtranspose_layernorm_gelu")
    work = verdict.evidence.gpu_work
    assert sum(row.share for row in work) == pytest.approx(1.0, abs=0.01)
    own = [row for row in work if row.kind == "own"]
    assert [row.name for row in own] == ["norm_gelu_scale_kernel"]
    assert any(row.kind == "vendor" and "conv" in row.operator for row in work)
    assert verdict.evidence.torch_flops == {"convolution": 137_438_953_472}
    ceilings = verdict.evidence.ceilings
    assert ceilings is not None
    (roof,) = roofline.roofs(verdict, ceilings)
    assert roof.bound == "memory"
    assert roof.fraction is not None
    assert roof.fraction > 0.2
    assert roof.share == pytest.approx(own[0].share, abs=0.15)  # by events, and by the profile of another forward
    rest = roofline.elsewhere(verdict, ceilings)
    assert rest is not None
    assert rest.what == "convolution (cuDNN)"
    assert rest.fraction is not None


def test_a_product_is_held_against_the_matrix_rate(evaluator: Evaluator, target: Target) -> None:
    verdict = judge(evaluator, target, "matmul_bias_relu")
    assert verdict.evidence.ceilings is not None
    (roof,) = roofline.roofs(verdict, verdict.evidence.ceilings)
    assert (roof.bound, roof.rate) == ("compute", "FP16")
    assert roof.fraction is not None
    assert 0.05 < roof.fraction <= 1.0


def test_known_ceilings_are_not_measured_again(evaluator: Evaluator, target: Target) -> None:
    task = load_task("softmax", CONF)
    known = evaluator.ceilings().model_copy(update={"copy_gb_s": 123.0})
    digest = hashlib.sha256(task.start.encode()).hexdigest()
    request = Request(source=task.start, digest=digest, task=task, target=target.gpu, ceilings=known)
    verdict = evaluator.evaluate(request)
    assert verdict.evidence.ceilings == known
