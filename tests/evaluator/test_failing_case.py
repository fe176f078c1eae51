"""The smallest case in which a candidate fails, found without a GPU by the real oracle, sandbox and interpreter.

Each test is an evaluation with a search behind it, a second or two on an idle machine.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.catalog import load_gpus, load_tolerance
from evaluator.failing import FailingCase, lines
from evaluator.gpus import Gpu
from evaluator.request import EvaluatorSettings, Limits, Request
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Status, Verdict

CONF = Path(__file__).parents[2] / "conf"

REFERENCE = """
import torch
from torch import nn

ROWS = 500
WIDTH = 300


class Model(nn.Module):
    def forward(self, x):
        return torch.exp(x) + 1.0


def get_inputs():
    return [torch.randn(ROWS, WIDTH)]


def get_init_inputs():
    return []
"""

SOURCE = """
import torch
from torch import nn
import triton
import triton.language as tl


@triton.jit
def exp_kernel(x_ptr, out_ptr, total, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < total
    x = tl.load(x_ptr + offsets, mask=mask)
    y = tl.exp(x) + 1.0
    tl.store(out_ptr + offsets, y, mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        total = x.numel()
        exp_kernel[(triton.cdiv(total, 16),)](x, out, total, BLOCK=16)
        return out
"""


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    return next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")


@pytest.fixture(scope="module")
def evaluator(gpu: Gpu) -> Iterator[Evaluator]:
    limits = Limits(first_forward_s=90, forward_s=90, compile_s=90, search_s=900, memory_gb=3.0)
    settings = EvaluatorSettings(limits=limits, draws=1)
    with Evaluator(settings, device="", target=gpu) as open_evaluator:
        yield open_evaluator


def failing(evaluator: Evaluator, gpu: Gpu, old: str, new: str, status: Status, **fields: object) -> FailingCase:
    """The smallest failing case of the candidate with one line changed."""
    assert old in SOURCE
    source = SOURCE.replace(old, new)
    known = {"small": {"ROWS": 6, "WIDTH": 12}, "tolerance": load_tolerance("standard", CONF)}
    task = Task.model_validate({"name": "t", "reference": REFERENCE, "path": Path("t.py")} | known | fields)
    digest = hashlib.sha256(source.encode()).hexdigest()
    verdict = evaluator.evaluate(Request(source=source, digest=digest, task=task, target=gpu))
    assert verdict.status is status, verdict.reason
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    assert verdict.failing is not None
    return verdict.failing


def test_a_wrong_program_is_named(evaluator: Evaluator, gpu: Gpu) -> None:
    wrong = "y = tl.exp(x) + tl.where(tl.program_id(0) == 2, 2.0, 1.0)"
    case = failing(evaluator, gpu, "y = tl.exp(x) + 1.0", wrong, Status.WRONG_OUTPUT)
    assert case.tile is not None
    assert case.tile.program.startswith("That element is written by program (2, 0, 0) of the grid (")
    rows, width = case.sizes["ROWS"], case.sizes["WIDTH"]
    assert 32 < rows * width <= 48  # a third block, and no fourth
    assert case.tile.first[0] * width + case.tile.first[1] == 32
    assert case.tile.wrong == rows * width - 32
    assert case.inputs == (f"float32[{rows}, {width}]",)
    expected, actual = float(case.tile.expected[0][0]), float(case.tile.actual[0][0])
    assert actual - expected == pytest.approx(1.0, abs=1e-3)


def test_what_nobody_writes_is_said(evaluator: Evaluator, gpu: Gpu) -> None:
    case = failing(evaluator, gpu, "triton.cdiv(total, 16)", "total // 16", Status.WRONG_OUTPUT)
    assert case.tile is not None
    assert case.sizes == {"ROWS": 1, "WIDTH": 1}
    assert (case.tile.wrong, case.tile.first, case.tile.ranges) == (1, (0, 0), ((0, 1), (0, 1)))
    assert case.tile.program.startswith("No program of its kernels writes that element")


def test_a_failure_at_another_size_alone(evaluator: Evaluator, gpu: Gpu) -> None:
    wrong = "y = tl.exp(x) + tl.where(total > 100, 2.0, 1.0)"
    vary = {"ROWS": (40,)}
    case = failing(evaluator, gpu, "y = tl.exp(x) + 1.0", wrong, Status.WRONG_OUTPUT, vary=vary)
    assert 100 < case.sizes["ROWS"] * case.sizes["WIDTH"] <= 240


def test_an_exception_is_shrunk_and_its_line_shown(evaluator: Evaluator, gpu: Gpu) -> None:
    case = failing(evaluator, gpu, "mask = offsets < total", "mask = offsets < total + 1", Status.RUNTIME_ERROR)
    assert case.sizes["ROWS"] * case.sizes["WIDTH"] < 72
    assert "OutOfBounds" in case.reason
    assert case.source is not None


def test_a_compile_error_has_its_line_and_column(evaluator: Evaluator, gpu: Gpu) -> None:
    case = failing(evaluator, gpu, "y = tl.exp(x) + 1.0", "y = tl.dot(x, x)", Status.COMPILE_ERROR)
    assert case.source is not None
    assert case.source.text == "    y = tl.dot(x, x)"
    assert case.source.line == SOURCE.splitlines().index("    y = tl.exp(x) + 1.0") + 1
    assert case.source.column == 8
    assert lines(case)[-1].index("^") == lines(case)[-2].index("tl.dot")
    assert case.tile is None
