"""Failures of a candidate's kernels, as data: which kernel, which line of the candidate, what the compiler said."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self

from triton.compiler.errors import CompilationError, CompileTimeAssertionFailure
from triton.runtime.errors import OutOfResources, PTXASError
from triton.runtime.jit import JITFunction

LONGEST_MESSAGE = 2000


@dataclass(frozen=True)
class Place:
    """A place in the candidate's file: `line` counts from 1, `column` from 0, both None where not known; `text` is that
    line.
    """

    line: int | None = None
    column: int | None = None
    text: str = ""


class CompileFailure(Exception):
    """A kernel could not be bound to its arguments or compiled; `line`, `column` and `text` say where (see `Place`)."""

    def __init__(self, kernel: str, message: str, place: Place, config: dict[str, Any]) -> None:
        super().__init__(f"{kernel}: {message}")
        self.kernel = kernel
        self.message = message
        self.line = place.line
        self.column = place.column
        self.text = place.text
        self.config = config

    @classmethod
    def of(cls, function: JITFunction[Any], error: Exception, config: dict[str, Any]) -> Self:
        """From what Triton raised when it was asked to run `function`; call it while the launch is on the stack.

        `config` is the tuning configuration, if any.
        """
        innermost = _innermost(error)
        return cls(function.__name__, _message(innermost)[:LONGEST_MESSAGE], _place(function, innermost), config)

    def describe(self) -> dict[str, Any]:
        """JSON form."""
        names = ("kernel", "message", "line", "column", "text", "config")
        return {name: getattr(self, name) for name in names}


class ForwardFailure(Exception):
    """The forward itself failed, outside of any kernel, so that what it launches is not known in full."""


def is_config_failure(error: Exception) -> bool:
    """True for errors after which Triton's autotuner goes on with its next configuration."""
    return isinstance(error, OutOfResources | CompileTimeAssertionFailure | PTXASError)


def _innermost(error: Exception) -> Exception:
    """The last compilation error in the chain: an error in a function that a kernel calls is wrapped at each call."""
    found: Exception = error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, CompilationError):
            found = cause
        cause = cause.__cause__ or cause.__context__
    return found


def _message(error: Exception) -> str:
    if isinstance(error, CompilationError):
        reason = error.error_message or error.__cause__ or error.__context__
        return str(reason) if reason else type(error).__name__
    if isinstance(error, PTXASError):
        lines = [line.strip() for line in str(error).splitlines()]
        errors = [line for line in lines if re.search(r"error|fatal", line, re.IGNORECASE) and "Repro" not in line]
        return "\n".join(errors) or str(error)
    return f"{type(error).__name__}: {error}"


def _place(function: JITFunction[Any], error: Exception) -> Place:
    """The place in the candidate's file. Triton counts lines from the `def` of the function that failed."""
    file = function.fn.__code__.co_filename
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return Place()
    line = column = None
    if isinstance(error, CompilationError) and error.src and hasattr(error.node, "lineno"):
        start = _find(lines, error.src.splitlines())
        line = start + error.node.lineno if start is not None else None
        column = _column(lines, line, error)
    elif not isinstance(error, CompilationError):
        line = _launch_line(file) or function.fn.__code__.co_firstlineno
    return Place(line, column, lines[line - 1].strip() if line is not None and line <= len(lines) else "")


def _column(lines: list[str], line: int | None, error: CompilationError) -> int | None:
    """Triton reads a function without its indentation."""
    if line is None or line > len(lines) or not hasattr(error.node, "col_offset"):
        return None
    there, read = lines[line - 1], error.src.splitlines()[error.node.lineno - 1]
    return int(error.node.col_offset) + _indent(there) - _indent(read)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _find(lines: list[str], source: list[str]) -> int | None:
    """Index of the first line of `source` in `lines`, whatever the indentation."""
    wanted = [line.strip() for line in source]
    stripped = [line.strip() for line in lines]
    for start, line in enumerate(stripped):
        if line == wanted[0] and stripped[start : start + len(wanted)] == wanted:
            return start
    return None


def _launch_line(file: str) -> int | None:
    """The line of `file` that is being executed, seen from here outwards."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == file:
            return frame.f_lineno
        frame = frame.f_back
    return None
