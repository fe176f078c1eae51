"""`evaluate` and `replay` with the real sandbox, compiler and interpreter, as other programs call them."""

import json
from pathlib import Path

import pytest

from harness.places import CONF
from tests.harness.shell import harness

KEYS = {
    *("status", "reason", "task", "device", "time_ms", "baseline_ms", "speedup", "error", "kernels", "evidence"),
}
WITHOUT_GPU = ("evaluator.device=none", "gpu=rtx4090")
START = CONF / "task" / "start" / "softmax.py"


def test_a_candidate_is_verified_known_again_and_replayed(tmp_path: Path) -> None:
    words = ("evaluate", str(START), "--task", "softmax", "--json", *WITHOUT_GPU)
    done = harness(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == KEYS
    assert (found["status"], found["task"], found["reason"]) == ("verified", "softmax", None)
    assert (found["time_ms"], found["speedup"]) == (None, None)
    assert found["baseline_ms"] == {"eager": None, "compile": None}
    assert found["error"]["max_abs"] < 1e-6
    assert found["kernels"][0]["registers"] > 0
    assert found["evidence"]["checked_on"] == "interpreter"

    again = harness("evaluate", str(START), "--task", "softmax", *WITHOUT_GPU, folder=tmp_path)
    assert again.returncode == 0
    assert "known from before" in again.stdout

    digest = found["evidence"]["candidate"]
    replayed = harness("replay", digest[:8], "--json", *WITHOUT_GPU, folder=tmp_path)
    assert replayed.returncode == 0, replayed.stderr
    (change,) = json.loads(replayed.stdout)
    assert (change["id"], change["status_changed"], change["within_interval"]) == (digest, False, None)
    assert set(change["after"]) == KEYS

    best = json.loads(harness("replay", "--best", "--json", *WITHOUT_GPU, folder=tmp_path).stdout)
    assert [each["id"] for each in best] == [digest]

    pending = harness("replay", "--pending", *WITHOUT_GPU, folder=tmp_path)
    assert pending.returncode == 3
    assert "no GPU" in pending.stderr


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        ("def broken(:\n", "extract_error", "parse"),
        ("x = 1\n", "extract_error", "ModelNew"),
        (START.read_text() + "\nimport os\n", "rule_violation", "os"),
    ],
)
def test_what_is_refused_without_running_it(tmp_path: Path, source: str, status: str, said: str) -> None:
    (tmp_path / "candidate.py").write_text(source)
    done = harness("evaluate", "candidate.py", "--task", "softmax", "--json", *WITHOUT_GPU, folder=tmp_path)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert set(found) == KEYS
    assert found["status"] == status
    assert said in found["reason"]
    assert found["evidence"]["findings"][0]["remedy"]


def test_wrong_numbers_are_not_verified(tmp_path: Path) -> None:
    (tmp_path / "candidate.py").write_text(START.read_text().replace("/ denominator", "/ (denominator + 1.0)"))
    done = harness("evaluate", "candidate.py", "--task", "softmax", "--json", *WITHOUT_GPU, folder=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "wrong_output"


def test_an_error_that_json_has_no_number_for_is_a_word(tmp_path: Path) -> None:
    (tmp_path / "candidate.py").write_text(START.read_text().replace("/ denominator", "/ (denominator * 0.0)"))
    done = harness("evaluate", "candidate.py", "--task", "softmax", "--json", *WITHOUT_GPU, folder=tmp_path)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert found["status"] == "wrong_output"
    assert found["error"]["max_abs"] == "Infinity"


def test_a_reference_by_path(tmp_path: Path) -> None:
    reference = CONF / "task" / "reference" / "softmax.py"
    (tmp_path / "my reference.py").write_text(reference.read_text())
    words = ("evaluate", str(START), "--task", "my reference.py", "--json", *WITHOUT_GPU)
    done = harness(*words, folder=tmp_path)
    assert json.loads(done.stdout)["task"] == "my reference"
    assert done.returncode == 0
