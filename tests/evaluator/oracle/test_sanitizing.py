"""Who is looked at by memcheck, and what is said where it can't be run. What it finds needs a GPU."""

from pathlib import Path

import pytest

from evaluator.catalog import load_tolerance
from evaluator.devices import Device
from evaluator.oracle.sanitizing import Sanitizer
from evaluator.request import EvaluatorSettings, Request
from evaluator.tasks import Task
from evaluator.verdict import Gain, Status, Verdict
from tests.evaluator.candidates import candidate
from tests.evaluator.verdicts import rtx4090, timing

CONF = Path(__file__).parents[3] / "conf"
WITHOUT_SIZES = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        return x * 2
def get_inputs():
    return [torch.empty(wide(), wide())]
def wide():
    return 4096
def get_init_inputs():
    return []
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    found = tmp_path / "compute-sanitizer"
    found.write_text("#!/bin/sh\nexit 1\n")
    found.chmod(0o755)
    return found


def judged(program: str, estimate: float | None, low: float = 0.01, thorough: bool = True) -> tuple[Verdict, Verdict]:
    """A measured verdict with this gain, and what the sanitizer makes of it."""
    tolerance = load_tolerance("standard", CONF)
    task = Task(name="double", reference=WITHOUT_SIZES, path=Path("double.py"), tolerance=tolerance)
    gain = None
    if estimate is not None:
        gain = Gain(estimate=estimate, low=low, incumbent="a" * 64, incumbent_ms=1.0, rounds=8)
    verdict = Verdict(status=Status.VERIFIED, task="double", device="GPU", time=timing(1.0), gain=gain)
    device = Device(0, "GPU", "GPU-0", "8.9", 24.0, (), "580")
    sanitizer = Sanitizer(EvaluatorSettings(sanitizer=program), rtx4090(), device)
    request = Request(source=candidate(), digest="b" * 64, task=task, target=rtx4090(), thorough=thorough)
    return verdict, sanitizer.judge(request, verdict, lambda doing: None)


def test_only_what_would_be_kept_is_looked_at(program: Path) -> None:
    for estimate, low, thorough in ((None, 0.0, True), (0.019, 0.01, True), (0.05, -0.01, True), (0.05, 0.01, False)):
        before, after = judged(str(program), estimate, low, thorough)
        assert after is before


def test_without_the_program_nothing_is_said(tmp_path: Path) -> None:
    for configured in ("none", str(tmp_path / "absent")):
        before, after = judged(configured, 0.05)
        assert after is before


def test_where_it_can_not_be_run_the_verdict_stands_and_says_so(program: Path) -> None:
    before, after = judged(str(program), 0.05)
    (note,) = after.evidence.notes
    assert note.startswith("memcheck could not be run: no small sizes")
    assert after.model_copy(update={"evidence": before.evidence}) == before
