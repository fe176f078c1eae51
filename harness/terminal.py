"""Where output goes: results to stdout, messages to stderr. Colour follows NO_COLOR and the terminal, through rich."""

import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 200  # columns for a reader that is no terminal


def shows_tables() -> bool:
    """Whether results should be laid out for a person, or as lines for a program. Asked without importing rich."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def stdout() -> "Console":
    """The console for results."""
    return _console(stderr=False, is_terminal=sys.stdout.isatty())


def stderr() -> "Console":
    """The console for messages and progress."""
    return _console(stderr=True, is_terminal=sys.stderr.isatty())


def _console(stderr: bool, is_terminal: bool) -> "Console":
    from rich.console import Console  # a tenth of a second, which not every command has

    wide = not is_terminal and not os.environ.get("COLUMNS")
    return Console(stderr=stderr, width=PIPE_WIDTH if wide else None, highlight=False)


def print_json(value: Any) -> None:
    """One JSON value on stdout, for programs: ASCII only, so that nothing in it can act on a terminal.

    Numbers that JSON does not have, the error of an output that is NaN say, are words: Infinity, -Infinity, NaN.
    """
    print(json.dumps(_in_words(value), indent=2, allow_nan=False))


def _in_words(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _in_words(held) for key, held in value.items()}
    return [_in_words(each) for each in value] if isinstance(value, list | tuple) else value
