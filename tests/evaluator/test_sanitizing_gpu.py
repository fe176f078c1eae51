"""On a GPU with compute-sanitizer: what reads beyond its memory is no finalist, however right its outputs are."""

import hashlib
import shutil
from pathlib import Path

import pytest

from evaluator.catalog import load_tolerance
from evaluator.devices import Target
from evaluator.oracle.sanitizing import CLEAN
from evaluator.request import EvaluatorSettings, Incumbent, Request
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Verdict

from .candidates import KERNEL, MODEL, REFERENCE, candidate

CONF = Path(__file__).parents[2] / "conf"
LAUNCH = next(line for line in MODEL.splitlines() if "scaled_relu_kernel[" in line)
SLOW = candidate(MODEL.replace(LAUNCH, "\n".join([LAUNCH] * 3)))
BEYOND = candidate(kernel=KERNEL.replace("row * width + columns, mask=mask)", "row * width + columns)", 1))

SETTINGS = EvaluatorSettings(baselines=())
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(shutil.which("compute-sanitizer") is None, reason="compute-sanitizer is not installed"),
]


def beats_the_slow_one(evaluator: Evaluator, target: Target, source: str) -> Verdict:
    tolerance = load_tolerance("standard", CONF)
    path = Path("scaled_relu.py")
    task = Task(name="scaled_relu", reference=REFERENCE, path=path, tolerance=tolerance, small={"ROWS": 7})
    slow = Incumbent(digest=hashlib.sha256(SLOW.encode()).hexdigest(), source=SLOW)
    digest = hashlib.sha256(source.encode()).hexdigest()
    return evaluator.evaluate(Request(source=source, digest=digest, task=task, target=target.gpu, incumbent=slow))


def test_a_finalist_that_stays_in_its_memory_says_so(evaluator: Evaluator, target: Target) -> None:
    verdict = beats_the_slow_one(evaluator, target, candidate())
    assert (verdict.status, verdict.reason) == ("verified", "")
    assert CLEAN in verdict.evidence.notes


def test_a_finalist_that_reads_beyond_its_memory_fails(evaluator: Evaluator, target: Target) -> None:
    verdict = beats_the_slow_one(evaluator, target, BEYOND)
    assert verdict.status == "runtime_error"
    assert "Invalid __global__ read of size" in verdict.reason
    assert "in kernel scaled_relu_kernel (line " in verdict.reason
    assert verdict.time is None
