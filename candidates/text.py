"""Text from a candidate or a model is data: make it harmless to show."""

import unicodedata

_KEPT = {"\n", "\t"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories that are escaped: controls, formats (bidi overrides, zero width), surrogates, private use, and
the two separators that some terminals and page renderers break lines at."""


def neutralise(text: str) -> str:
    """The text with everything that a terminal or a page would act on written out as an escape.

    ESC becomes the four characters `\\x1b`, a right-to-left override `\\u202e`, and so on; CR LF becomes LF; newline
    and tab stay. What is left is characters that show themselves. Markup of rich or HTML is ordinary characters and
    stays as it is: whoever renders shows it as plain text (`rich.text.Text`, autoescape).
    """
    lines = text.replace("\r\n", "\n")
    if lines.isascii() and lines.isprintable():
        return lines
    return "".join(character if _shows(character) else _escape(character) for character in lines)


def _shows(character: str) -> bool:
    return character in _KEPT or unicodedata.category(character) not in _HIDDEN


def _escape(character: str) -> str:
    point = ord(character)
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
