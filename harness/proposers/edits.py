"""Replacing parts of a source text at the positions of its syntax tree, leaving every other byte as it is."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, order=True)
class Edit:
    """Replace the bytes `start`..`end` (UTF-8 offsets) by `text`; an insertion where the two are equal."""

    start: int
    end: int
    text: str


class Layout:
    """Byte offsets of syntax tree nodes in the text that they were parsed from."""

    def __init__(self, source: str) -> None:
        self.data = source.encode()
        self._lines = [0, *(match.end() for match in _LINE_END.finditer(self.data))]

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Where a node starts and ends. Parentheses around an expression are no part of its node."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def text(self, start: int, end: int) -> str:
        """The source between two offsets."""
        return self.data[start:end].decode()

    def indentation(self, offset: int) -> str:
        """The white space that the line of an offset begins with."""
        start = max(line for line in self._lines if line <= offset)
        line = self.data[start:].split(b"\n", 1)[0]
        return line[: len(line) - len(line.lstrip(b" \t"))].decode()

    def argument_place(self, call: ast.Call) -> tuple[int, str, str]:
        """Where a further argument of a call goes, and what to put before and behind it."""
        _, end = self.span(call)
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        if not values:
            return end - 1, "", ", "
        last = max(self.span(value)[1] for value in values)
        return self._behind_parentheses(last, end - 1), ", ", ""

    def offset(self, line: int, column: int) -> int:
        return self._lines[line - 1] + column

    def _behind_parentheses(self, start: int, end: int) -> int:
        """`start`, or the end of the last parenthesis before `end` that closes around what ended at `start`.

        Between the two there are only parentheses, commas, white space and comments.
        """
        position, at = start, start
        while at < end:
            if self.data[at : at + 1] == b"#":
                line_end = _LINE_END.search(self.data, at)
                at = line_end.end() if line_end else end
                continue
            if self.data[at : at + 1] == b")":
                position = at + 1
            at += 1
        return position


def apply(source: str, edits: Iterable[Edit]) -> str:
    """The source with all edits made. Equal edits count once.

    Raises:
        ValueError: two edits overlap.
    """
    data = source.encode()
    limit = len(data)
    for edit in sorted(set(edits), reverse=True):
        if edit.end > limit:
            raise ValueError(f"edits overlap at byte {edit.start}")
        data = data[: edit.start] + edit.text.encode() + data[edit.end :]
        limit = edit.start
    return data.decode()
