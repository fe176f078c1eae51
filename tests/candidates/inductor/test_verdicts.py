"""What was made of Inductor's code is right at small sizes, and compiles at the true ones for two generations of GPUs.

The real oracle, sandbox, compiler and interpreter judge it. That takes several seconds a task, so all but two are slow.
"""

import hashlib
from collections.abc import Iterator

import pytest

from candidates.inductor.module import candidate
from evaluator.catalog import load_gpus
from evaluator.gpus import Gpu
from evaluator.request import EvaluatorSettings, Request
from evaluator.service import Evaluator
from evaluator.verdict import Status
from tests.candidates.inductor.recordings import CONF, generation, task

GPUS = {gpu.name: gpu for gpu in load_gpus(CONF)}


@pytest.fixture(scope="module", params=["rtx4090", "h100"])
def gpu(request: pytest.FixtureRequest) -> Gpu:
    return GPUS[request.param]


@pytest.fixture(scope="module")
def evaluator(gpu: Gpu) -> Iterator[Evaluator]:
    with Evaluator(EvaluatorSettings(), device="", target=gpu) as open_evaluator:
        yield open_evaluator


@pytest.mark.parametrize(
    "name",
    [
        "softmax",
        "swiglu",
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
    assert all(kernel.fits and kernel.spill_bytes == 0 for kernel in verdict.kernels)
    assert sum(note.startswith("right at") for note in verdict.evidence.notes) == len(next(iter(asked.vary.values())))
