"""What others wrote is shown as data."""

import pytest

from prompts.quoting import clipped, fenced, grouped, inline, trimmed


@pytest.mark.parametrize(
    ("text", "fence"),
    [("x = 1", "```"), ("a ``` b", "````"), ("```python\n`````\n```", "``````"), ("``", "```"), ("", "```")],
)
def test_the_fence_is_longer_than_any_run_inside(text: str, fence: str) -> None:
    lines = fenced(text, "python").split("\n")
    assert lines[0] == f"{fence}python"
    assert lines[-1] == fence
    assert "\n".join(lines[1:-1]) == text


def test_control_characters_are_written_out() -> None:
    assert fenced("a\x1b[31mb\tc\n") == "```\na\\x1b[31mb\tc\n```"


def test_inline_is_one_short_line_without_backticks() -> None:
    assert inline("a\n```b```\x07  c") == "a '''b'''\\x07 c"
    assert inline("x" * 300, 50) == "x" * 47 + "..."


def test_clipped_keeps_both_ends_and_says_what_is_missing() -> None:
    assert clipped("short") == "short"
    assert clipped("a" * 10 + "m" * 7 + "z" * 10, head=10, tail=10) == "aaaaaaaaaa\n[7 characters left out]\nzzzzzzzzzz"


def test_numbers() -> None:
    assert [trimmed(72.0), trimmed(1.29), trimmed(0.0001), trimmed(99.0)] == ["72", "1.29", "0.0001", "99"]
    assert grouped(101_376) == "101,376"
