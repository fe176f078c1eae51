"""Careless arithmetic, found out end to end without a GPU. Every candidate runs in the sandbox only."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.catalog import load_gpus, load_tolerance
from evaluator.errors import UsageError
from evaluator.gpus import Gpu
from evaluator.request import EvaluatorSettings, Limits, Request
from evaluator.service import Evaluator
from evaluator.tasks import Precision, Task
from evaluator.verdict import Status, Verdict

from .candidates import FORWARD, KERNEL, MODEL, REFERENCE, candidate
from .numeric_candidates import (
    ADVANCE,
    CENTRED,
    CENTRED_KERNEL,
    EPSILON,
    LAYERNORM,
    MASKED_PRODUCT,
    NARROW,
    PRODUCT,
    RUNNING,
    SHARE,
    SHARE_KERNEL,
    multiplying_any,
    narrowing,
    normalising,
    running,
    sharing,
)

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    return next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")


@pytest.fixture(scope="module")
def evaluator(gpu: Gpu) -> Iterator[Evaluator]:
    limits = Limits(
        first_forward_s=90, forward_s=60, compile_s=60, search_s=0, memory_gb=3.0
    )  # room for a busy machine
    with Evaluator(EvaluatorSettings(limits=limits, derived_s=60), device="", target=gpu) as open_evaluator:
        yield open_evaluator


def task(reference: str = REFERENCE, policy: str = "standard", **fields: object) -> Task:
    known = {"small": {"ROWS": 7}, "tolerance": load_tolerance(policy, CONF), "torch_ops": ("any",)}
    return Task.model_validate({"name": "t", "reference": reference, "path": Path("t.py")} | known | fields)


def judge(evaluator: Evaluator, gpu: Gpu, asked: Task, source: str) -> Verdict:
    digest = hashlib.sha256(source.encode()).hexdigest()
    return evaluator.evaluate(Request(source=source, digest=digest, task=asked, target=gpu))


def test_a_variance_that_cancels_passes_on_the_tasks_own_inputs_and_is_caught_on_shifted_ones(
    evaluator: Evaluator, gpu: Gpu
) -> None:
    asked = task(LAYERNORM, small={"ROWS": 8})
    assert judge(evaluator, gpu, asked, normalising()).status is Status.VERIFIED
    assert CENTRED in CENTRED_KERNEL
    careless = normalising(CENTRED_KERNEL.replace(CENTRED, "tl.sum(x * x, axis=0) / width - mean * mean"))
    verdict = judge(evaluator, gpu, asked, careless)
    assert verdict.status is Status.WRONG_OUTPUT
    assert verdict.reason.startswith("on shifted inputs, output 0:")
    assert verdict.error is not None
    own = next(entry for entry in verdict.error.distributions if entry.name == "own")
    assert own.max_scaled < 1e-5


@pytest.mark.parametrize("careless", ["rsqrt(variance)", "rsqrt(variance + 1e-6)"])
def test_an_epsilon_that_is_wrong_is_caught_on_small_inputs(evaluator: Evaluator, gpu: Gpu, careless: str) -> None:
    asked = task(LAYERNORM, small={"ROWS": 8})
    assert EPSILON in CENTRED_KERNEL
    verdict = judge(evaluator, gpu, asked, normalising(CENTRED_KERNEL.replace(EPSILON, careless)))
    assert verdict.status is Status.WRONG_OUTPUT
    assert verdict.reason.startswith("on small inputs, output 0:")


def test_a_loop_that_does_not_advance_is_caught_where_nobody_named_small_sizes(evaluator: Evaluator, gpu: Gpu) -> None:
    """It is right at the smallest sizes, which are one block."""
    asked = task(PRODUCT.replace("SIZE = 512", "SIZE = 4096"), small={})
    right = judge(evaluator, gpu, asked, multiplying_any())
    assert right.status is Status.VERIFIED, right.reason
    assert "right at SIZE=128 too" in right.evidence.notes
    assert ADVANCE in MASKED_PRODUCT
    verdict = judge(
        evaluator, gpu, asked, multiplying_any(MASKED_PRODUCT.replace(ADVANCE, "inner = tl.arange(0, BLOCK)"))
    )
    assert verdict.status is Status.WRONG_OUTPUT
    assert verdict.reason.startswith("at SIZE=128: output 0")


def test_who_takes_the_maximum_for_unique_is_caught_by_ties(evaluator: Evaluator, gpu: Gpu) -> None:
    asked = task(SHARE, small={"ROWS": 8})
    right = judge(evaluator, gpu, asked, sharing())
    assert right.status is Status.VERIFIED, right.reason
    careless = SHARE_KERNEL.replace("/ tl.sum(hit, axis=0)", "/ 1.0")
    assert careless != SHARE_KERNEL
    verdict = judge(evaluator, gpu, asked, sharing(careless))
    assert verdict.status is Status.WRONG_OUTPUT
    assert verdict.reason.startswith(("on ties inputs", "on sparse inputs"))


def test_exp_without_the_maximum_is_caught_where_it_overflows(evaluator: Evaluator, gpu: Gpu) -> None:
    reference = REFERENCE.replace("torch.relu(x * self.gain) * self.factor", "torch.softmax(x * self.gain, dim=-1)")
    kernel = KERNEL.replace(
        "tl.maximum(x * gain, 0.0) * factor",
        "tl.exp(tl.where(mask, x * gain, -float('inf')) - shift) / total",
    ).replace(
        "    tl.store(",
        "    y = tl.where(mask, x * gain, -float('inf'))\n    shift = tl.max(y, axis=0)\n"
        "    total = tl.sum(tl.exp(y - shift), axis=0)\n    tl.store(",
    )
    right = judge(evaluator, gpu, task(reference), candidate(kernel=kernel))
    assert right.status is Status.VERIFIED, right.reason
    careless = kernel.replace("shift = tl.max(y, axis=0)", "shift = 0.0")
    verdict = judge(evaluator, gpu, task(reference), candidate(kernel=careless))
    assert verdict.status is Status.WRONG_OUTPUT
    assert verdict.reason.startswith(("on shifted inputs", "on large inputs"))
    assert "got nan" in verdict.reason


def test_what_the_reference_can_not_answer_is_left_out_and_said(evaluator: Evaluator, gpu: Gpu) -> None:
    reference = REFERENCE.replace("torch.relu(x * self.gain)", "torch.sqrt(x)").replace("torch.randn", "torch.rand")
    kernel = KERNEL.replace("tl.maximum(x * gain, 0.0)", "tl.sqrt(x)")
    verdict = judge(evaluator, gpu, task(reference), candidate(kernel=kernel))
    assert verdict.status is Status.VERIFIED, verdict.reason
    assert any(
        "not checked on signed inputs: the reference's output is not finite" in n for n in verdict.evidence.notes
    )


def test_running_statistics_are_used(evaluator: Evaluator, gpu: Gpu) -> None:
    right = judge(evaluator, gpu, task(RUNNING), running())
    assert right.status is Status.VERIFIED, right.reason
    careless = judge(evaluator, gpu, task(RUNNING), running("x * gain + shift"))
    assert careless.status is Status.WRONG_OUTPUT


def test_a_kernel_for_one_size_is_told_the_other(evaluator: Evaluator, gpu: Gpu) -> None:
    asked = task(vary={"ROWS": (3, 12)})
    right = judge(evaluator, gpu, asked, candidate())
    assert right.status is Status.VERIFIED, right.reason
    assert "right at ROWS=12 too" in right.evidence.notes
    hard_coded = candidate(MODEL.replace("[(rows,)]", "[(2000 if rows == 2000 else 7,)]"))
    verdict = judge(evaluator, gpu, asked, hard_coded)
    assert verdict.status in (Status.WRONG_OUTPUT, Status.RUNTIME_ERROR)
    assert verdict.reason.startswith("at ROWS=3: ")


def test_an_output_that_varies_from_run_to_run_is_wrong(evaluator: Evaluator, gpu: Gpu) -> None:
    """The interpreter runs one program after another: what a race does is imitated by every other call."""
    vary = "        self.calls = getattr(self, 'calls', 0) + 1\n        out += self.calls % 2 * SPREAD\n"
    noisy = MODEL.replace(FORWARD, vary + FORWARD)
    wrong = judge(evaluator, gpu, task(policy="approx"), candidate(noisy.replace("SPREAD", "2e-3")))
    assert wrong.status is Status.WRONG_OUTPUT
    right = judge(evaluator, gpu, task(), candidate(noisy.replace("SPREAD", "2e-6")))
    assert right.status is Status.VERIFIED, right.reason


def test_half_precision_inside_a_float32_kernel(evaluator: Evaluator, gpu: Gpu) -> None:
    """Rounding to float16 midway: within `approx`, which notes it; `strict` and `standard` refuse it by name."""
    kernel = KERNEL.replace("tl.maximum(x * gain, 0.0)", "tl.maximum((x * gain).to(tl.float16).to(tl.float32), 0.0)")
    verdict = judge(evaluator, gpu, task(policy="approx"), candidate(kernel=kernel))
    assert verdict.kernels[0].precision == ("f16",)
    assert verdict.error is not None
    assert verdict.error.max_scaled < 3e-3
    refused = judge(evaluator, gpu, task(), candidate(kernel=kernel))
    assert refused.status is Status.WRONG_OUTPUT
    assert "like TF32, 16 bits" in refused.reason


def test_reduced_precision_within_the_bounds_is_refused_by_what_it_is(evaluator: Evaluator, gpu: Gpu) -> None:
    """A sixteenth of the value goes through float16: 3e-5 off, within `standard`, but float32 it is not."""
    kernel = KERNEL.replace(
        "    tl.store(", "    x = x - x / 16 + (x / 16).to(tl.float16).to(tl.float32)\n    tl.store("
    )
    refused = judge(evaluator, gpu, task(), candidate(kernel=kernel))
    assert refused.status is Status.WRONG_OUTPUT, refused
    assert "reduced precision in a float32 task" in refused.reason
    assert "scaled_relu_kernel (f16)" in refused.reason
    permitting = task(precision=Precision(allow_reduced=True))
    permitted = judge(evaluator, gpu, permitting, candidate(kernel=kernel))
    assert permitted.status is Status.VERIFIED, permitted.reason
    assert any("reduced precision" in note for note in permitted.evidence.notes)
    assert permitted.evidence.precision["float32_matmul"] == "high"


def test_a_changed_global_switch_is_a_finding(evaluator: Evaluator, gpu: Gpu) -> None:
    line = "        torch.backends.cudnn.allow_tf32 = False\n        torch.set_float32_matmul_precision('medium')\n"
    verdict = judge(evaluator, gpu, task(), candidate(MODEL.replace(FORWARD, line + FORWARD)))
    changed = [note for note in verdict.evidence.notes if note.startswith("changed-global-flags")]
    assert any("float32_matmul_precision" in note and "medium" in note for note in changed)
    assert any("cudnn.allow_tf32" in note for note in changed)


def test_the_truth_of_a_part_of_the_batch_is_enough_to_find_a_wrong_row(gpu: Gpu) -> None:
    settings = EvaluatorSettings(limits=Limits(memory_gb=3.0), memory_cap_gb=1e-4, derived_s=0)
    asked = task(small={"ROWS": 20})
    with Evaluator(settings, device="", target=gpu) as cramped:
        right = judge(cramped, gpu, asked, candidate())
        wrong = judge(
            cramped, gpu, asked, candidate(kernel=KERNEL.replace("* factor", "* tl.where(row == 9, 2, factor)"))
        )
    assert right.status is Status.VERIFIED, right.reason
    assert any("of 20 rows" in note for note in right.evidence.notes)
    assert wrong.status is Status.WRONG_OUTPUT


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        ("torch.from_numpy(numpy.random.default_rng().random((ROWS, WIDTH), numpy.float32))", "for the same seed"),
        ("torch.randn(ROWS, WIDTH), random.random()", "other plain values from one seed to another"),
        ("torch.randn(random.randrange(2, 999), WIDTH)", "other sizes"),
    ],
    ids=["unseeded", "a number that varies", "a size that varies"],
)
def test_inputs_that_are_not_the_seeds_are_the_tasks_fault(
    evaluator: Evaluator, gpu: Gpu, drawn: str, said: str
) -> None:
    """An honest candidate was said to have changed its input, or to be wrong."""
    reference = "import random, numpy\n" + REFERENCE.replace("torch.randn(ROWS, WIDTH)", drawn)
    assert reference.count(drawn) == 1
    asked, source = (text.replace("forward(self, x)", "forward(self, x, *rest)") for text in (reference, candidate()))
    with pytest.raises(UsageError, match=said):
        judge(evaluator, gpu, task(asked), source)


def test_a_reference_that_answers_at_random_is_the_tasks_fault(evaluator: Evaluator, gpu: Gpu) -> None:
    """An honest candidate was said to be wrong."""
    reference = REFERENCE.replace("torch.relu(x * self.gain)", "nn.functional.dropout(torch.relu(x * self.gain), 0.1)")
    with pytest.raises(UsageError, match="gives other outputs when it is run again"):
        judge(evaluator, gpu, task(reference), candidate())


def test_outputs_of_eight_bits_are_compared(evaluator: Evaluator, gpu: Gpu) -> None:
    asked = task(NARROW, small={"ROWS": 7})
    right = judge(evaluator, gpu, asked, narrowing())
    assert (right.status, right.reason) == (Status.VERIFIED, "")
    wrong = judge(evaluator, gpu, asked, narrowing("4.5"))
    assert wrong.status is Status.WRONG_OUTPUT
