"""Text that others wrote, made fit for a prompt: it is shown as data and can't pass for a part of the prompt."""

import re

from candidates.text import neutralise

_BACKTICKS = re.compile("`{3,}")
CLIPPED = 4000  # characters that are left of a long text
_SPACE = re.compile(r"\s+")


def fenced(text: str, language: str = "") -> str:
    """The text in a Markdown fence that is longer than every run of backticks in it; control characters escaped."""
    body = neutralise(text).rstrip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(body)), default=0))
    return f"{fence}{language}\n{body}\n{fence}"


def inline(text: str, limit: int = 200) -> str:
    """The text on one line of at most `limit` characters, without backticks and control characters."""
    line = _SPACE.sub(" ", neutralise(text)).replace("`", "'").strip()
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."


def clipped(text: str, head: int = CLIPPED - 2500, tail: int = 2500) -> str:
    """The beginning and the end of a long text, with a line between them that says how much is left out."""
    if len(text) <= head + tail:
        return text
    return f"{text[:head]}\n[{len(text) - head - tail} characters left out]\n{text[-tail:]}"


def trimmed(number: float) -> str:
    """A number without a needless fraction: 72 for 72.0, 1.29 for 1.29."""
    return f"{number:.10g}"


def grouped(number: int) -> str:
    """A whole number with thousands separators."""
    return f"{number:,}"
