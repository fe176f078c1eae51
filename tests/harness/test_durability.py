"""A run that is killed at any moment loses nothing but work in flight, and two runs on one store don't meet."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from candidates.store import Store
from tests.harness.recording import entry

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow  # about half a minute of processor time
@pytest.mark.timeout(900)
def test_killed_at_fifty_points_a_run_ends_as_if_undisturbed(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.kill_test", "--kills", "50", "--json", str(figures)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads(figures.read_text())
    assert found["kills"] >= 50
    assert found["equal"] == found["runs"] >= 1
    assert all(found["where"][phase] for phase in ("between steps", "saving an ask", "judging", "saving a step"))


def test_two_runs_on_one_store_do_not_disturb_each_other(tmp_path: Path) -> None:
    def started(root: Path, key: str, waits_at: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.harness.interruptible", str(root), str(waits_at), key]
        return subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def log(root: Path, key: str) -> list[Any]:
        with Store.open("", root) as store:
            return [entry(step) for step in store.steps(store.open_run(key * 64, {}).id)]

    with started(tmp_path / "alone", "a", -1) as alone:
        alone.communicate()
    with started(tmp_path / "shared", "a", 2) as one:
        assert one.stdout is not None
        assert any("READY" in line for line in one.stdout)
        # While the first one stands in an evaluation, the second one may come to the same candidate, and wait for it.
        with started(tmp_path / "shared", "b", -1) as other:
            one.communicate("\n")
            other.communicate()
    assert (one.returncode, other.returncode) == (0, 0)
    undisturbed = log(tmp_path / "alone", "a")
    assert len(undisturbed) > 3
    assert log(tmp_path / "shared", "a") == log(tmp_path / "shared", "b") == undisturbed


@pytest.mark.gpu
@pytest.mark.slow
def test_candidates_are_written_while_a_gpu_judges_others(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    given = ["--latency", "2", "--in-flight", "4", "--rounds", "8", "--json", str(figures)]
    command = [sys.executable, "-m", "benchmarks.overlap", *given]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads(figures.read_text())
    assert found["verdicts"] == {"verified": 9}
    assert "compile target" not in found["device"]
    assert 0 < found["busy_s"] <= found["loop_s"]
    assert found["idle_share"] is not None
