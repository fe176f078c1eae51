"""On a GPU with compute-sanitizer: what reads beyond its memory is no finalist, however right its outputs are."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.catalog import load_gpus, load_tolerance
from evaluator.devices import Target, choose, detect
from evaluator.oracle.sanitizing import CLEAN
from evaluator.request import EvaluatorSettings, Incumbent, Request
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Verdict

CONF = Path(__file__).parents[2] / "conf"
REFERENCE = """
import torch
SIZE = 1 << 24
class Model(torch.nn.Module):
    def forward(self, x):
        return x * 2
def get_inputs():
    return [torch.rand(SIZE)]
def get_init_inputs():
    return []
"""
SOURCE = """
import torch
import triton
import triton.language as tl

@triton.jit
def double_kernel(x, y, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    tl.store(y + offsets, tl.load(x + offsets, mask=mask) * 2, mask=mask)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        for _ in range(REPEATS):
            double_kernel[(triton.cdiv(x.numel(), 1024),)](x, y, x.numel(), BLOCK=1024)
        return y
"""
SLOW, FAST = SOURCE.replace("REPEATS", "3"), SOURCE.replace("REPEATS", "1")
BEYOND = FAST.replace("tl.load(x + offsets, mask=mask)", "tl.load(x + offsets)")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(shutil.which("compute-sanitizer") is None, reason="compute-sanitizer is not installed"),
]


@pytest.fixture(scope="module")
def target() -> Target:
    return choose("auto", load_gpus(CONF), detect(), "auto")


@pytest.fixture(scope="module")
def evaluator(target: Target) -> Iterator[Evaluator]:
    assert target.device is not None
    settings = EvaluatorSettings(baselines=())
    with Evaluator(settings, device=target.device.uuid, target=target.gpu) as open_evaluator:
        yield open_evaluator


def beats_the_slow_one(evaluator: Evaluator, target: Target, source: str) -> Verdict:
    task = Task(
        name="double",
        reference=REFERENCE,
        path=Path("double.py"),
        tolerance=load_tolerance("standard", CONF),
        small={"SIZE": 5000},  # no multiple of a block
    )
    slow = Incumbent(digest=hashlib.sha256(SLOW.encode()).hexdigest(), source=SLOW)
    digest = hashlib.sha256(source.encode()).hexdigest()
    return evaluator.evaluate(Request(source=source, digest=digest, task=task, target=target.gpu, incumbent=slow))


def test_a_finalist_that_stays_in_its_memory_says_so(evaluator: Evaluator, target: Target) -> None:
    verdict = beats_the_slow_one(evaluator, target, FAST)
    assert (verdict.status, verdict.reason) == ("verified", "")
    assert CLEAN in verdict.evidence.notes


def test_a_finalist_that_reads_beyond_its_memory_fails(evaluator: Evaluator, target: Target) -> None:
    verdict = beats_the_slow_one(evaluator, target, BEYOND)
    assert verdict.status == "runtime_error"
    assert "Invalid __global__ read of size" in verdict.reason
    assert "in kernel double_kernel (line " in verdict.reason
    assert verdict.time is None
