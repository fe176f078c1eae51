"""What was made of Inductor's code compiles at the true sizes for two generations of GPUs, and is right at small ones.

The real oracle, sandbox, compiler and interpreter judge it. That takes several seconds a task, so most are slow.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from candidates.inductor.module import candidate
from evaluator.catalog import load_gpus
from evaluator.generation import NO_GPU
from evaluator.gpus import Gpu
from evaluator.request import EvaluatorSettings, Request
from evaluator.service import Evaluator
from evaluator.verdict import Status
from tests.candidates.inductor.recordings import CONF, TASKS, generation, task
from tests.evaluator.inside.sessions import RTX4090, run_session

GPUS = {gpu.name: gpu for gpu in load_gpus(CONF)}
INIT: dict[str, list[Any]] = {
    "convtranspose_layernorm_gelu": [32, 64, 4, 2, 1, 64, 1e-5, 0.75],
    "layernorm_gelu_scale": [64, 1e-5, 0.75],
    "matmul_bias_relu": [2048, 4096],
    "rmsnorm": [5120, 1e-6],
}


def compiled(name: str) -> dict[str, Any]:
    """What is compiled of a task's candidate, at its true sizes."""
    made = generation(name)
    assert made.true is not None
    dtype = "float16" if name == "matmul_bias_relu" else "float32"
    inputs = [[list(entry.shape), dtype] for entry in made.true.arguments if entry.source == "L['x']"]
    return {"source": candidate(made, task(name).reference), "init": INIT.get(name, []), "inputs": inputs}


@pytest.mark.parametrize("gpu", [RTX4090, RTX4090 | {"compute_capability": "9.0"}], ids=["sm_89", "sm_90"])
def test_every_kernel_compiles_without_spills(gpu: dict[str, Any]) -> None:
    answers = run_session("compile", {name: compiled(name) for name in TASKS}, gpu)
    for name in TASKS:
        (kernel,) = answers[name]["kernels"]
        assert kernel["spill_bytes"] == 0
        assert answers[name]["sizes"] == "true"
        ((_, chosen),) = generation(name).configurations.items()
        assert kernel["num_warps"] == chosen["num_warps"]


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    return GPUS["rtx4090"]


@pytest.fixture(scope="module")
def evaluator(gpu: Gpu) -> Iterator[Evaluator]:
    with Evaluator(EvaluatorSettings(), device="", target=gpu) as open_evaluator:
        yield open_evaluator


@pytest.mark.parametrize(
    "name",
    [
        "softmax",
        pytest.param("swiglu", marks=pytest.mark.slow),
        pytest.param("rmsnorm", marks=pytest.mark.slow),
        pytest.param("layernorm_gelu_scale", marks=pytest.mark.slow),
        pytest.param("convtranspose_layernorm_gelu", marks=pytest.mark.slow),
        pytest.param("matmul_bias_relu", marks=pytest.mark.slow),
    ],
)
def test_it_verifies(evaluator: Evaluator, gpu: Gpu, name: str) -> None:
    asked = task(name)
    if name == "matmul_bias_relu":  # its own policy leaves no product to torch
        asked = asked.model_copy(update={"torch_ops": ("matmul",)})
    source = candidate(generation(name), asked.reference)
    digest = hashlib.sha256(source.encode()).hexdigest()
    verdict = evaluator.evaluate(Request(source=source, digest=digest, task=asked, target=gpu))
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert verdict.evidence.checked_on == "interpreter"
    assert sum(note.startswith("right at") for note in verdict.evidence.notes) == len(next(iter(asked.vary.values())))


def test_without_a_gpu_nothing_is_generated(evaluator: Evaluator) -> None:
    assert evaluator.generate(task("softmax")).reason == NO_GPU
