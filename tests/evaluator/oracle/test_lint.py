"""Tasks that something other than the work would satisfy are named, and bundled ones are not."""

from pathlib import Path

import pytest

from evaluator.catalog import load_task, load_tolerance, task_names
from evaluator.oracle.lint import lint
from evaluator.oracle.reference import Reference
from evaluator.oracle.sizes import small_reference
from evaluator.redteam import Weakness
from evaluator.tasks import Task

CONF = Path(__file__).parents[3] / "conf"
FILE = """
import torch
import torch.nn as nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(96))

    def forward(self, x, y):
        return FORWARD

def get_inputs():
    return [torch.randn(24, 96), torch.randn(24, 96)]

def get_init_inputs():
    return []
"""
SOUND = "torch.tanh(x * self.gain) + y"


def weaknesses(forward: str, tolerance: str = "standard") -> dict[str, Weakness]:
    source = FILE.replace("FORWARD", forward)
    task = Task(name="t", reference=source, path=Path("t.py"), tolerance=load_tolerance(tolerance, CONF))
    return {found.name: found for found in lint(task, Reference(source, "t.py", "cpu"))}


def test_a_sound_task_has_no_weakness() -> None:
    assert weaknesses(SOUND) == {}


@pytest.mark.parametrize(
    ("forward", "name"),
    [
        ("torch.relu(-x.abs() - self.gain.abs() - y.abs())", "zeros"),
        ("torch.relu(-x.abs() - self.gain.abs() - y.abs()) + 2", "constant"),
        ("torch.sigmoid(x * 0) + self.gain * 0 + y * 0", "replay"),
        ("(x + self.gain * 1e-9 + y * 1e-9)", "input"),
        ("(x + self.gain * 1e-9 + y * 1e-9)", "own weights"),
        ("x * self.gain", "input 1 unused"),
        ("(x.half() * self.gain.half() + y.half()).float()", "float16"),
        ("nn.functional.dropout(x) * self.gain + y", "not repeatable"),
        ("torch.log(x - x) * self.gain + y", "no measure"),
    ],
)
def test_a_weakness_is_named(forward: str, name: str) -> None:
    found = weaknesses(forward)
    assert found[name].severity == "fault"
    assert found[name].message
    assert found[name].remedy


def test_what_only_other_inputs_tell_apart_is_a_warning() -> None:
    found = weaknesses("torch.relu(x - 20) * self.gain + y")
    assert found["input 0 unused"].severity == "warning"
    assert "own inputs" in found["input 0 unused"].message


def test_a_policy_that_permits_half_precision_is_no_fault() -> None:
    assert "float16" not in weaknesses(SOUND)
    assert weaknesses(SOUND, "approx")["float16"].severity == "accepted"


def test_a_task_without_small_sizes_is_not_called_sound() -> None:
    task = Task(name="t", reference=FILE, path=Path("t.py"), tolerance=load_tolerance("standard", CONF))
    (found,) = lint(task, "no sizes")
    assert (found.severity, found.message) == ("unknown", "no sizes")


@pytest.mark.parametrize("name", task_names(CONF))
def test_bundled_tasks_have_no_fault(name: str) -> None:
    task = load_task(name, CONF)
    assert [found for found in lint(task, small_reference(task)) if found.severity != "accepted"] == []
