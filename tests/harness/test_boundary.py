"""The end of a process: exit codes, sentences, and nothing that acts on a terminal."""

import errno
import os

import pytest

from evaluator.errors import MachineError, UsageError
from harness.boundary import guarded


def ending(error: BaseException, debug: bool = False) -> int:
    def fail() -> int:
        raise error

    return guarded(fail, debug)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong"), 2),
        (MachineError("broken"), 3),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/runs/x"), 3),
        (RuntimeError("unforeseen"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_end_has_its_exit_code(error: BaseException, code: int) -> None:
    assert ending(error) == code


def test_the_own_exit_code_passes() -> None:
    assert guarded(lambda: 1, debug=False) == 1


def test_problem_and_remedy_are_said_on_stderr_alone(capsys: pytest.CaptureFixture[str]) -> None:
    ending(UsageError("There is no \x1b[31mtask.", "Name one."))
    said = capsys.readouterr()
    assert said.err == "error: There is no \\x1b[31mtask.\nName one.\n"
    assert said.out == ""


def test_a_full_disk_is_said_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    ending(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/runs/x"))
    said = capsys.readouterr().err
    assert "disk is full" in said
    assert "intact" in said


def test_a_traceback_is_shown_for_debug_only(capsys: pytest.CaptureFixture[str]) -> None:
    ending(RuntimeError("unforeseen"))
    assert "Traceback" not in capsys.readouterr().err
    ending(RuntimeError("unforeseen"), debug=True)
    assert "Traceback" in capsys.readouterr().err
