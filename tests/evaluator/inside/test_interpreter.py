"""The interpreter as corrected computes what the compiled kernel would, and says what it can't."""

from typing import Any

import pytest

from tests.evaluator.inside import kernels
from tests.evaluator.inside.sessions import run_session

VECTOR = [[[1024], "float32"]]
HALVES = [[[64, 64], "float16"]] * 2
LAYERNORM = "torch.nn.functional.layer_norm(inputs[0], (64,))"
BLEND = (
    "(lambda a, b: torch.where(a > b, ((a * b).bfloat16() + a), torch.minimum((b - a).bfloat16(), (a / 3).bfloat16())))"
    "(*[x.bfloat16() for x in inputs]).double()"
)
TF32 = "(lambda x: ((x.view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32).double())"
JOBS: dict[str, Any] = {
    "elementwise": {"source": kernels.ELEMENTWISE, "inputs": VECTOR, "expected": "inputs[0] * 2.5"},
    "tuned_0": {
        "source": kernels.LAYERNORM_AUTOTUNED,
        "init": [64],
        "inputs": [[[31, 64], "float32"]],
        "expected": LAYERNORM,
    },
    "tuned_1": {
        "source": kernels.LAYERNORM_AUTOTUNED,
        "init": [64],
        "inputs": [[[31, 64], "float32"]],
        "expected": LAYERNORM,
        "config": 1,
    },
    "fp16_dot": {"source": kernels.MATMUL, "inputs": HALVES, "expected": "inputs[0] @ inputs[1]"},
    "bf16_dot": {
        "source": kernels.MATMUL,
        "inputs": [[[64, 64], "bfloat16"]] * 2,
        "expected": "(inputs[0] @ inputs[1]).bfloat16().double()",
    },
    "tf32_dot": {
        "source": kernels.MATMUL,
        "inputs": [[[64, 64], "float32"]] * 2,
        "expected": f"{TF32}(inputs[0].float()) @ {TF32}(inputs[1].float())",
    },
    "bf16_arithmetic": {"source": kernels.BLEND, "inputs": [[[1024], "bfloat16"]] * 2, "expected": BLEND},
    "tanh": {"source": kernels.TANH, "inputs": VECTOR, "expected": "torch.tanh(inputs[0])"},
    "erf": {"source": kernels.TANH.replace("tanh", "erf"), "inputs": VECTOR, "expected": "torch.erf(inputs[0])"},
    "float8": {
        "source": kernels.ROUNDED,
        "inputs": VECTOR,
        "expected": "inputs[0].float().to(torch.float8_e5m2).double()",
    },
    "side_doors": {"source": kernels.SIDE_DOORS, "inputs": VECTOR, "expected": "inputs[0].sin()"},
    "heuristics": {"source": kernels.SEVERAL, "inputs": VECTOR, "expected": "inputs[0] * 4 + 1"},
    "reductions": {
        "source": kernels.REDUCTIONS,
        "inputs": [[[5, 64], "float32"]],
        "expected": "torch.stack([inputs[0].amax(1), __import__('functools').reduce(lambda y, x: y / 2 + x, "
        "inputs[0].double().T)], 1)",
    },
    "loops": {
        "source": kernels.LOOPS,
        "inputs": [[[5, 64], "float32"]],
        "expected": "torch.stack([inputs[0].sum(), inputs[0][:, ::2].sum(), torch.tensor(-2.0).double()])",
    },
    "descriptors": {"source": kernels.DESCRIPTORS, "inputs": [[[128, 64], "float32"]], "expected": "inputs[0] * 2"},
    "out_of_bounds": {"source": kernels.OUT_OF_BOUNDS, "inputs": [[[1000], "float32"]], "expected": "inputs[0]"},
    "assembly": {"source": kernels.INLINE_ASSEMBLY, "inputs": VECTOR, "expected": "inputs[0]"},
    "broken": {"source": kernels.BROKEN, "inputs": VECTOR, "expected": "inputs[0]"},
}


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    return run_session("interpret", JOBS)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("elementwise", 1e-6),
        ("tuned_0", 1e-4),
        ("tuned_1", 1e-4),
        ("fp16_dot", 2e-2),
        ("bf16_dot", 0.26),  # one unit in the last place of values up to 32
        ("tf32_dot", 1e-4),  # a TF32 product differs from an exact one by about 1e-2 here
        ("bf16_arithmetic", 0.0),
        ("tanh", 1e-7),
        ("erf", 1e-7),
        ("float8", 0.0),
        ("heuristics", 1e-6),
        ("reductions", 1e-5),
        ("loops", 1e-4),
        ("descriptors", 0.0),
    ],
)
def test_results_agree_with_the_definition(answers: dict[str, Any], name: str, bound: float) -> None:
    assert answers[name].get("error", answers[name]) <= bound


def test_what_torch_does_in_a_launch_or_in_a_thread_is_the_candidates(answers: dict[str, Any]) -> None:
    assert {"cos_", "exp_", "sin_", "tan"} <= set(answers["side_doors"]["operators"])


@pytest.mark.parametrize("name", ["erf", "float8", "tanh", "descriptors", "tuned_0"])
def test_what_the_interpreter_computes_with_torch_is_the_kernels(answers: dict[str, Any], name: str) -> None:
    assert set(answers[name]["operators"]) <= {"empty", "empty_like", "ones", "zeros"}


def test_an_access_outside_of_the_tensors_is_an_error_and_no_crash(answers: dict[str, Any]) -> None:
    answer = answers["out_of_bounds"]
    assert answer["raised"] == "OutOfBounds"
    assert "24 of 1024 elements" in answer["message"]


def test_what_cannot_be_interpreted_is_said(answers: dict[str, Any]) -> None:
    assert answers["assembly"]["raised"] == "NotInterpretable"


def test_an_error_of_the_kernel_is_not_mistaken_for_a_limit(answers: dict[str, Any]) -> None:
    assert answers["broken"]["raised"] == "InterpreterError"
    assert "no_such_function" in answers["broken"]["message"]
