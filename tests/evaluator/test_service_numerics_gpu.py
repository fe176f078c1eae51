"""Numerics on a real GPU: races, atomics, tensor cores, other sizes, memory that is short, and what it costs."""

import hashlib
from pathlib import Path

import pytest
import torch

from evaluator.catalog import load_task, load_tolerance, task_names
from evaluator.devices import Target
from evaluator.request import EvaluatorSettings, Limits, Request, Timer
from evaluator.service import Evaluator
from evaluator.tasks import Precision, Task
from evaluator.verdict import Status, Verdict

from .candidates import KERNEL, MODEL, REFERENCE, candidate
from .numeric_candidates import (
    ATOMIC_KERNEL,
    CENTRED,
    CENTRED_KERNEL,
    LAYERNORM,
    PRODUCT,
    RUNNING,
    SUM,
    multiplying,
    normalising,
    running,
    summing,
)

CONF = Path(__file__).parents[2] / "conf"

pytestmark = pytest.mark.gpu


def settings(**fields: object) -> EvaluatorSettings:
    known: dict[str, object] = {
        "baselines": (),
        "sanitizer": "none",  # some seconds of each verdict; it has tests of its own
        "limits": Limits(first_forward_s=30, forward_s=10),
        "timer": Timer(rounds=3, max_seconds=0.3),
    }
    return EvaluatorSettings.model_validate(known | fields)


SETTINGS = settings()


def task(reference: str = REFERENCE, policy: str = "standard", **fields: object) -> Task:
    known = {"tolerance": load_tolerance(policy, CONF), "torch_ops": ("any",)}
    return Task.model_validate({"name": "t", "reference": reference, "path": Path("t.py")} | known | fields)


def judge(evaluator: Evaluator, target: Target, asked: Task, source: str) -> Verdict:
    digest = hashlib.sha256(source.encode()).hexdigest()
    return evaluator.evaluate(Request(source=source, digest=digest, task=asked, target=target.gpu))


def test_a_race_is_wrong(evaluator: Evaluator, target: Target) -> None:
    racy = ATOMIC_KERNEL.replace(
        "tl.atomic_add(out_ptr + columns, part, mask=mask)",
        "tl.store(out_ptr + columns, tl.load(out_ptr + columns, mask=mask) + part, mask=mask)",
    )
    assert racy != ATOMIC_KERNEL
    verdict = judge(evaluator, target, task(SUM), summing(racy))
    assert verdict.status is Status.WRONG_OUTPUT


def test_the_order_of_atomics_is_noted_by_standard_and_refused_by_strict(evaluator: Evaluator, target: Target) -> None:
    noted = judge(evaluator, target, task(SUM), summing())
    assert noted.status is Status.VERIFIED, noted.reason
    assert noted.error is not None
    assert 0 < noted.error.repeat_spread < 1e-5
    assert any(note.startswith("not deterministic") for note in noted.evidence.notes)
    refused = judge(evaluator, target, task(SUM, "strict"), summing())
    assert refused.status is Status.WRONG_OUTPUT
    assert "two runs on the same input differ" in refused.reason


def test_tf32_in_a_float32_product_needs_permission(evaluator: Evaluator, target: Target) -> None:
    exact = judge(evaluator, target, task(PRODUCT), multiplying("ieee"))
    assert exact.status is Status.VERIFIED, exact.reason
    assert exact.kernels[0].precision == ()
    refused = judge(evaluator, target, task(PRODUCT), multiplying("tf32"))
    assert refused.status is Status.WRONG_OUTPUT
    assert "TF32" in refused.reason
    noted = judge(evaluator, target, task(PRODUCT, "approx"), multiplying("tf32"))
    assert noted.status is Status.VERIFIED, noted.reason
    assert "tf32" in noted.kernels[0].precision
    assert any("reduced precision in a float32 task" in note for note in noted.evidence.notes)
    permitting = task(PRODUCT, precision=Precision(allow_reduced=True))
    permitted = judge(evaluator, target, permitting, multiplying("tf32"))
    assert permitted.status is Status.VERIFIED, permitted.reason
    assert permitted.error is not None
    assert permitted.error.distributions[0].reference_rms_scaled > 1e-5, "the reference computes in TF32 as well"


def test_a_product_in_exact_parts_is_float32(evaluator: Evaluator, target: Target) -> None:
    verdict = judge(evaluator, target, task(PRODUCT), multiplying("tf32x3"))
    assert verdict.status is Status.VERIFIED, verdict.reason
    assert "tf32" in verdict.kernels[0].precision


def test_a_variance_that_cancels_is_caught(evaluator: Evaluator, target: Target) -> None:
    assert judge(evaluator, target, task(LAYERNORM), normalising()).status is Status.VERIFIED
    careless = normalising(CENTRED_KERNEL.replace(CENTRED, "tl.sum(x * x, axis=0) / width - mean * mean"))
    verdict = judge(evaluator, target, task(LAYERNORM), careless)
    assert verdict.status is Status.WRONG_OUTPUT
    assert verdict.reason.startswith("on shifted inputs")


def test_running_statistics_are_used(evaluator: Evaluator, target: Target) -> None:
    right = judge(evaluator, target, task(RUNNING), running())
    assert right.status is Status.VERIFIED, right.reason
    careless = judge(evaluator, target, task(RUNNING), running("x * gain + shift"))
    assert careless.status is Status.WRONG_OUTPUT


def test_inputs_at_which_a_kernel_of_torch_asserts_are_left_out(evaluator: Evaluator, target: Target) -> None:
    """A failed assertion would end the oracle's context, and with it every verdict after this one."""
    entropy = "nn.functional.binary_cross_entropy(x, torch.ones_like(x), reduction='none')"
    reference = REFERENCE.replace("torch.relu(x * self.gain)", entropy).replace("torch.randn", "torch.rand")
    assert entropy in reference
    kernel = KERNEL.replace("tl.maximum(x * gain, 0.0)", "-tl.maximum(tl.log(x), -100.0)")
    verdict = judge(evaluator, target, task(reference, small={"ROWS": 7}), candidate(kernel=kernel))
    assert verdict.status is Status.VERIFIED, verdict.reason
    assert any(note.startswith("not checked on shifted inputs") for note in verdict.evidence.notes)
    assert judge(evaluator, target, task(), candidate()).status is Status.VERIFIED


def test_a_kernel_for_one_size_is_told_the_other_and_times_are_of_the_true_one(
    evaluator: Evaluator, target: Target
) -> None:
    asked = task(vary={"ROWS": (3, 4001)})
    right = judge(evaluator, target, asked, candidate())
    assert right.status is Status.VERIFIED, right.reason
    assert right.kernels[0].grid == (2000,)
    hard_coded = candidate(MODEL.replace("[(rows,)]", "[(2000,)]"))
    verdict = judge(evaluator, target, asked, hard_coded)
    assert verdict.status in (Status.WRONG_OUTPUT, Status.RUNTIME_ERROR, Status.CRASHED)
    assert verdict.reason.startswith("at ROWS=")


@pytest.mark.parametrize("name", task_names(CONF))
def test_bundled_starts_are_right_everywhere_and_soon(evaluator: Evaluator, target: Target, name: str) -> None:
    bundled = load_task(name, CONF)
    judge(evaluator, target, bundled, bundled.start)  # compiles, and learns what the reference is not meaningful for
    verdict = judge(evaluator, target, bundled, bundled.start + "\n# again\n")
    assert verdict.status is Status.VERIFIED, verdict.reason
    assert verdict.error is not None
    assert verdict.error.draws >= 5
    assert {entry.name for entry in verdict.error.distributions} >= {"own", "large", "sparse"}


def test_the_default_task_is_judged_within_a_cap_of_memory(target: Target) -> None:
    """What the whole needs is beyond 14 GiB, workers included; a part of the batch is not."""
    assert target.device is not None
    free, total = torch.cuda.mem_get_info()  # other evaluators hold what they needed last
    bundled = load_task("layernorm_gelu_scale", CONF)
    capped = settings(memory_cap_gb=14.0 + (total - free) / 2**30, derived_s=0)
    with Evaluator(capped, device=target.device.uuid, target=target.gpu) as cramped:
        verdict = judge(cramped, target, bundled, bundled.start)
    assert verdict.error is not None, verdict.reason
    assert any("of 32 rows" in note for note in verdict.evidence.notes), verdict.evidence.notes


def test_a_wrong_row_is_found_at_the_smallest_size_with_the_program_that_writes_it(
    evaluator: Evaluator, target: Target
) -> None:
    """The failing case is looked for on the GPU too; what the launch plainly says names the program."""
    wrong = candidate(kernel=KERNEL.replace("* factor", "* tl.where(row == 2, 2.0, factor)"))
    verdict = judge(evaluator, target, task(small={"ROWS": 8}), wrong)
    assert verdict.status is Status.WRONG_OUTPUT
    case = verdict.failing
    assert case is not None
    assert case.tile is not None
    assert 3 <= case.sizes["ROWS"] <= 4
    assert case.tile.first[0] == 2
    assert "written by program 2 if it is one a row, or by program 1" in case.tile.program
    right = judge(evaluator, target, task(small={"ROWS": 8}), candidate())
    assert right.failing is None
    assert "failing case" not in right.evidence.seconds
