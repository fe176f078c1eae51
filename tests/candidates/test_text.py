"""Text from outside can't act on a terminal or a page."""

import io
import unicodedata

import pytest
from rich.console import Console
from rich.text import Text

from candidates.text import neutralise


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, with\ttab\nand line", "plain, with\ttab\nand line"),
        ("a\r\nb", "a\nb"),
        ("progress\rover", "progress\\x0dover"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "\\x1b]8;;http://x\\x07link\\x1b]8;;\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("bell\a null\0 del\x7f", "bell\\x07 null\\x00 del\\x7f"),
        ("if user\u202e\u2066 admin\u2069", "if user\\u202e\\u2066 admin\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028para\u2029", "line\\u2028para\\u2029"),
        ("half \ud800 pair", "half \\ud800 pair"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("[bold]markup[/bold] <b>&amp;</b>", "[bold]markup[/bold] <b>&amp;</b>"),
        ("naïve 数 🙂 é", "naïve 数 🙂 é"),
        ("", ""),
    ],
)
def test_what_acts_is_written_out(text: str, shown: str) -> None:
    assert neutralise(text) == shown
    assert neutralise(shown) == shown


def test_no_control_character_is_left() -> None:
    everything = "".join(map(chr, range(0x3000))) + "".join(map(chr, range(0xD7F0, 0xFFFF)))
    left = {unicodedata.category(character) for character in neutralise(everything) if character not in "\n\t"}
    assert not left & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def test_rich_shows_it_as_it_is() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with console.capture() as capture:
        console.print(Text(neutralise("[red]x[/red]\x1b[2J")))
    assert capture.get().strip() == "[red]x[/red]\\x1b[2J"
