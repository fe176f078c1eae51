"""Verdicts without a GPU, end to end: the real oracle, the real sandbox, the real compiler and interpreter.

Every candidate here runs in the sandbox only: these tests never import one.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.catalog import load_gpus, load_tolerance
from evaluator.errors import UsageError
from evaluator.gpus import Gpu
from evaluator.request import EvaluatorSettings, Limits, Request
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Status, Verdict

from .candidates import FORWARD, KERNEL, MODEL, REFERENCE, candidate

CONF = Path(__file__).parents[2] / "conf"
WRITTEN_OUT = REFERENCE.replace("ROWS = 2000\nWIDTH = 1000\n", "").replace("ROWS", "2000").replace("WIDTH", "1000")


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    return next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(
        name="scaled_relu",
        reference=REFERENCE,
        path=Path("scaled_relu.py"),
        small={"ROWS": 7},
        tolerance=load_tolerance("standard", CONF),
    )


@pytest.fixture(scope="module")
def evaluator(gpu: Gpu) -> Iterator[Evaluator]:
    limits = Limits(
        first_forward_s=90, forward_s=60, compile_s=60, search_s=0, memory_gb=3.0
    )  # room for a busy machine
    with Evaluator(EvaluatorSettings(limits=limits), device="", target=gpu) as open_evaluator:
        yield open_evaluator


def judge(evaluator: Evaluator, task: Task, gpu: Gpu, source: str) -> Verdict:
    digest = hashlib.sha256(source.encode()).hexdigest()
    return evaluator.evaluate(Request(source=source, digest=digest, task=task, target=gpu))


def test_a_right_candidate_is_verified_and_not_measured(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    steps: list[str] = []
    request = Request(source=candidate(), digest="0" * 64, task=task, target=gpu)
    verdict = evaluator.evaluate(request, steps.append)
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert verdict.measured is False
    assert verdict.speedup("eager") is None
    assert verdict.error is not None
    found = {entry.name for entry in verdict.error.distributions}
    assert found == {"own", "shifted", "large", "small", "sparse", "ties"}
    assert verdict.error.draws == 8
    assert verdict.evidence.checked_on == "interpreter"
    assert verdict.evidence.weights == "by name"
    assert "network-namespace" in verdict.evidence.isolation
    assert steps == ["compile", "check", "integrity"]
    (kernel,) = verdict.kernels
    assert kernel.name == "scaled_relu_kernel"
    assert kernel.grid == (2000,)  # the task's true size, not the small one
    assert kernel.registers is not None
    assert kernel.registers > 0
    assert kernel.spill_bytes == 0
    assert kernel.fits is True
    assert kernel.occupancy is not None


WRONG = {
    "the affine is left out": KERNEL.replace("x * gain", "x"),
    "the last column is not written": KERNEL.replace("mask = columns < width", "mask = columns < width - 1"),
    "the factor is off by a thousandth": KERNEL.replace("* factor", "* (factor * 1.001)"),
    "half precision": KERNEL.replace("tl.maximum(x * gain, 0.0)", "tl.maximum((x * gain).to(tl.float16), 0.0)"),
}


@pytest.mark.parametrize("kernel", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_kernel_is_found_out(evaluator: Evaluator, task: Task, gpu: Gpu, kernel: str) -> None:
    assert kernel != KERNEL
    verdict = judge(evaluator, task, gpu, candidate(kernel=kernel))
    assert verdict.status is Status.WRONG_OUTPUT
    assert "expected" in verdict.reason
    assert verdict.error is not None


BROKEN = {
    "another shape": ("        return out[:, :5]\n", Status.WRONG_OUTPUT, "shape [7, 5], expected [7, 1000]"),
    "another dtype": ("        return out.half()\n", Status.WRONG_OUTPUT, "dtype float16, expected float32"),
    "two outputs": ("        return out, out\n", Status.WRONG_OUTPUT, "2 tensors"),
    "another structure": ("        return [out]\n", Status.WRONG_OUTPUT, "structure"),
    "no tensor": ("        return None\n", Status.WRONG_OUTPUT, "0 tensors"),
    "input changed": (
        "        if x.shape[0] == 7: x.zero_()\n        return out\n",
        Status.INTEGRITY_VIOLATION,
        "input 0 was changed",
    ),
    "exception": ("        return out.no_such_thing\n", Status.RUNTIME_ERROR, "no_such_thing"),
    "exit": ("        raise SystemExit(0)\n", Status.RUNTIME_ERROR, "SystemExit"),
}


@pytest.mark.parametrize(("ending", "status", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_failure_is_named(
    evaluator: Evaluator, task: Task, gpu: Gpu, ending: str, status: Status, words: str
) -> None:
    verdict = judge(evaluator, task, gpu, candidate(MODEL.replace(FORWARD, ending)))
    assert verdict.status is status, verdict.reason
    assert words in verdict.reason
    assert verdict.time is None


def test_an_endless_loop_costs_its_own_time_only(task: Task, gpu: Gpu) -> None:
    loop = "        while x.shape[0] == 7: pass\n        return out\n"
    settings = EvaluatorSettings(limits=Limits(first_forward_s=4))
    with Evaluator(settings, device="", target=gpu) as impatient:
        verdict = judge(impatient, task, gpu, candidate(MODEL.replace(FORWARD, loop)))
    assert verdict.status is Status.TIMEOUT
    assert "forward took longer than 4 s" in verdict.reason


def test_a_hard_exit_is_a_crash_and_the_next_candidate_is_judged(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    source = candidate(MODEL.replace(FORWARD, "        import os; os._exit(7)\n"))
    verdict = judge(evaluator, task, gpu, source)
    assert verdict.status is Status.CRASHED
    assert "exit code 7" in verdict.reason
    assert judge(evaluator, task, gpu, candidate()).status is Status.VERIFIED


def test_a_memory_hog_costs_itself_only(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    hog = "        hoard = [torch.ones(2**27) for _ in range(64)] if x.shape[0] == 7 else []\n        return out\n"
    verdict = judge(evaluator, task, gpu, candidate(MODEL.replace(FORWARD, hog)))
    assert verdict.status is Status.CRASHED
    assert "memory" in verdict.reason
    assert judge(evaluator, task, gpu, candidate()).status is Status.VERIFIED


def test_torch_alone_is_no_kernel(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    model = MODEL.replace(
        "        out = torch.empty_like(x)\n", "        return torch.relu(x * self.gain) * self.factor\n"
    )
    verdict = judge(evaluator, task, gpu, candidate(model))
    assert verdict.status is Status.INTEGRITY_VIOLATION
    assert "no Triton kernel" in verdict.reason


def test_a_kernel_that_does_not_compile_says_where(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    verdict = judge(
        evaluator, task, gpu, candidate(kernel=KERNEL.replace("tl.maximum(x * gain", "tl.maximum(undefined_name"))
    )
    assert verdict.status is Status.COMPILE_ERROR
    assert "undefined_name" in verdict.reason


def test_a_kernel_that_is_too_large_for_the_target_is_refused(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    kernel = KERNEL.replace(
        "    x = tl.load(",
        "    big = tl.dot(tl.zeros((256, 256), tl.float32), tl.zeros((256, 256), tl.float32), input_precision='ieee')\n"
        "    tl.store(out_ptr + tl.arange(0, 256)[:, None] * 256 + tl.arange(0, 256)[None, :], big, mask=row > 10**6)\n"
        "    x = tl.load(",
    )
    small_gpu = gpu.model_copy(update={"shared_per_block_bytes": 1024})
    with Evaluator(EvaluatorSettings(pool=0), device="", target=small_gpu) as small:
        verdict = judge(small, task, small_gpu, candidate(kernel=kernel))
    assert verdict.status is Status.COMPILE_ERROR, verdict
    assert "does not fit" in verdict.reason


def test_what_the_interpreter_can_not_run_is_unchecked_not_wrong(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    kernel = KERNEL.replace(
        "    x = tl.load(",
        "    one = tl.inline_asm_elementwise('mov.u32 $0, 1;', '=r', [], dtype=tl.int32, is_pure=True, pack=1)\n"
        "    x = tl.load(",
        1,
    ).replace("* factor, mask", "* factor * one, mask")
    verdict = judge(evaluator, task, gpu, candidate(kernel=kernel))
    assert verdict.status is Status.UNCHECKED, verdict.reason
    assert verdict.kernels


def test_sizes_are_found_for_a_file_that_names_none(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    model = MODEL.replace("torch.ones(WIDTH)", "torch.ones(wide)").replace("(self, factor)", "(self, factor, wide)")
    reference = REFERENCE.replace("(self, factor)", "(self, factor, wide)").replace("[3.0]", "[3.0, WIDTH]")
    unnamed = task.model_copy(update={"small": {}, "reference": reference})
    verdict = judge(evaluator, unnamed, gpu, KERNEL + model)
    assert verdict.status is Status.VERIFIED, verdict.reason


def test_sizes_are_found_where_only_get_inputs_has_them(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    unnamed = task.model_copy(update={"small": {}, "reference": WRITTEN_OUT})
    verdict = judge(evaluator, unnamed, gpu, candidate())
    assert verdict.status is Status.VERIFIED, verdict.reason
    wrong = judge(evaluator, unnamed, gpu, candidate(kernel=KERNEL.replace("* factor", "* (factor + 1)")))
    assert wrong.status is Status.WRONG_OUTPUT
    assert wrong.failing is not None
    assert wrong.failing.sizes == {"2000 in get_inputs": 3}, "2000 is even, and no power of two"


def test_default_weights_that_were_not_mapped_prove_nothing(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    unmapped = MODEL.replace("torch.ones(WIDTH)", "torch.ones(WIDTH * 2)").replace(
        "self.gain, out", "self.gain[:1000], out"
    )
    verdict = judge(evaluator, task, gpu, candidate(unmapped, KERNEL.replace("x * gain", "x")))
    assert verdict.status is Status.UNCHECKED
    assert "gain" in verdict.reason


def test_a_candidate_without_small_sizes_is_unchecked_with_the_reason(
    evaluator: Evaluator, task: Task, gpu: Gpu
) -> None:
    reference = WRITTEN_OUT.replace("2000", "rows()") + "\ndef rows():\n    return 2000\n"
    verdict = judge(evaluator, task.model_copy(update={"small": {}, "reference": reference}), gpu, candidate())
    assert verdict.status is Status.UNCHECKED
    assert "small sizes" in verdict.reason


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("return [3.0]", "return [1 / 0]", "get_init_inputs() of scaled_relu.py failed: ZeroDivisionError"),
        ("torch.relu", "torch.no_such_function", "Model.forward of scaled_relu.py failed"),
        ("def get_inputs", "def get_other", "does not define get_inputs"),
    ],
)
def test_a_reference_that_does_not_run_is_the_persons_to_mend(
    evaluator: Evaluator, task: Task, gpu: Gpu, old: str, new: str, words: str
) -> None:
    broken = task.model_copy(update={"reference": REFERENCE.replace(old, new)})
    with pytest.raises(UsageError, match=words.replace("(", r"\(").replace(")", r"\)")):
        judge(evaluator, broken, gpu, candidate())


def test_the_fingerprint_names_target_and_software(gpu: Gpu) -> None:
    other = gpu.model_copy(update={"compute_capability": "9.0"})
    first = Evaluator(EvaluatorSettings(), device="", target=gpu).describe()
    assert first["device"] == ""
    assert set(first["software"]) == {"python", "torch", "triton"}
    assert first["fingerprint"] != Evaluator(EvaluatorSettings(), device="", target=other).describe()["fingerprint"]
