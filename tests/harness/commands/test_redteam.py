"""`redteam` and `tasks --lint` on a task of one's own, as other programs call them."""

import json
from pathlib import Path

import pytest

from tests.harness.shell import harness

WITHOUT_GPU = ("evaluator.device=none", "gpu=rtx4090")
REFERENCE = """
import torch
import torch.nn as nn

ROWS = 6
WIDTH = 96

class Model(nn.Module):
    def forward(self, x):
        return FORWARD

def get_inputs():
    return [torch.randn(ROWS, WIDTH)]

def get_init_inputs():
    return []
"""


def test_a_weak_task_is_named_before_anything_is_spent(tmp_path: Path) -> None:
    (tmp_path / "weak.py").write_text(REFERENCE.replace("FORWARD", "x + 1e-9"))
    done = harness("tasks", "--lint", "--task", "weak.py", "--json", folder=tmp_path)
    assert done.returncode == 1, done.stderr
    (found,) = json.loads(done.stdout)["weak"]
    assert (found["name"], found["severity"]) == ("input", "fault")
    (tmp_path / "sound.py").write_text(REFERENCE.replace("FORWARD", "torch.tanh(x)"))
    done = harness("tasks", "--lint", "--task", "sound.py", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "ok        sound\n")


@pytest.mark.slow
def test_a_cheat_that_a_task_lets_pass_is_told(tmp_path: Path) -> None:
    (tmp_path / "weak.py").write_text(REFERENCE.replace("FORWARD", "x + 1e-9"))
    wanted = ("input", "zeros", "dummy kernel", "own weights", "thread")
    words = ("--task", "weak.py", *(word for name in wanted for word in ("--cheat", name)), "--json", *WITHOUT_GPU)
    done = harness("redteam", *words, folder=tmp_path)
    outcomes = {outcome["cheat"]: outcome for outcome in json.loads(done.stdout)}
    assert done.returncode == 1, done.stderr
    assert tuple(outcomes) == wanted
    assert outcomes["input"]["result"] == "would pass"
    assert outcomes["zeros"]["result"] == "caught"
    assert outcomes["dummy kernel"]["result"] == "caught"
    assert outcomes["own weights"]["result"] == "does not apply"
    assert outcomes["thread"]["result"] == "needs a GPU"


def test_a_cheat_that_is_none_or_that_nobody_can_judge_here_is_not_told_as_one(tmp_path: Path) -> None:
    """The mean of one element is right; and what can't be checked here was caught by nothing."""
    (tmp_path / "one.py").write_text(REFERENCE.replace("FORWARD", "torch.tanh(x).sum()"))
    large = REFERENCE.replace("FORWARD", "torch.tanh(x)").replace("ROWS, WIDTH", "*Model.shape")
    large = large.replace("ROWS = 6\nWIDTH = 96\n", "").replace(
        "(nn.Module):", "(nn.Module):\n    shape = (4096, 4096)"
    )
    (tmp_path / "large.py").write_text(large)
    for name, result in (("one", "does not apply"), ("large", "undecided")):
        words = ("--task", f"{name}.py", "--cheat", "constant", "--json", *WITHOUT_GPU)
        done = harness("redteam", *words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        (outcome,) = json.loads(done.stdout)
        assert outcome["result"] == result, outcome


def test_a_cheat_that_nobody_knows_is_refused_before_anything_runs(tmp_path: Path) -> None:
    done = harness("redteam", "--task", "softmax", "--cheat", "zeroes", *WITHOUT_GPU, folder=tmp_path)
    assert done.returncode == 2
    assert "Did you mean zeros?" in done.stderr
