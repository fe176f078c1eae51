"""Folders that belong to a living process, whatever its number."""

import os
import subprocess
import sys
from pathlib import Path

from evaluator.sandbox import held
from evaluator.sandbox.cgroup import Cgroup, find_parent
from evaluator.sandbox.scratch import Scratch

MAKE = """
import sys
from pathlib import Path
from evaluator.sandbox import held
made = held.make(Path(sys.argv[1]), "test")
print(made[0], flush=True)
sys.stdin.read()
"""
ROOT = Path(__file__).parents[3]


def test_what_is_held_is_not_left_behind(tmp_path: Path) -> None:
    folder, hold = held.make(tmp_path, "test")
    assert list(held.left_behind(tmp_path, "test")) == []
    hold.release()
    hold.release()
    assert list(held.left_behind(tmp_path, "test")) == [folder]


def test_a_process_lets_go_when_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKE, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        folder = Path(child.stdout.readline().strip())
        assert list(held.left_behind(tmp_path, "test")) == []
        child.kill()
    assert list(held.left_behind(tmp_path, "test")) == [folder]


def test_the_number_in_the_name_of_a_folder_says_nothing(tmp_path: Path) -> None:
    folder, hold = held.make(tmp_path, "test")
    elsewhere = folder.rename(tmp_path / "test-999999999-of-another-namespace")
    assert list(held.left_behind(tmp_path, "test")) == []
    hold.release()
    assert list(held.left_behind(tmp_path, "test")) == [elsewhere]


def test_what_is_no_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test-1-file").touch()
    (tmp_path / "test-1-link").symlink_to("/etc")
    assert list(held.left_behind(tmp_path, "test")) == []


def test_sandboxes_of_one_caller_leave_those_of_another_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(os, "getpid", lambda: 999999999)  # as seen from another process namespace: nobody's
    groups = [] if find_parent() is None else [group] if (group := Cgroup.create(2**30, 8)) else []
    scratch = Scratch.create(None)
    monkeypatch.undo()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    others = [Scratch.create(None), *filter(None, [Cgroup.create(2**30, 8)])]
    assert scratch.own.exists()
    assert all(group.path.exists() for group in groups)
    for each in (scratch, *groups, *others):
        each.remove()
        assert not each.path.exists()
