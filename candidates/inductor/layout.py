"""Laying out generated lines: what ast.unparse writes on one line of any length is broken at its outermost commas."""

import re

WIDTH = 120


def formatted(source: str) -> str:
    """The source with long calls and signatures one argument a line."""
    lines = [line for text in source.splitlines() for line in _broken(text)]
    return re.sub(r"(?m)^(class .*:\n)\n", r"\1", "\n".join(lines)) + "\n"


def _broken(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    opening, closing = _outermost(line)
    if opening < 0:
        return [line]
    inner = _split(line[opening + 1 : closing])
    return [line[: opening + 1], *(f"{indent}    {part}," for part in inner), f"{indent}{line[closing:]}"]


def _outermost(line: str) -> tuple[int, int]:
    """The last pair of parentheses that nothing but `:` follows."""
    closing = len(line.rstrip(":")) - 1
    if closing < 0 or line[closing] != ")":
        return -1, -1
    depth = 0
    for index in range(closing, -1, -1):
        depth += {")": 1, "]": 1, "(": -1, "[": -1}.get(line[index], 0)
        if depth == 0:
            return index, closing
    return -1, -1


def _split(text: str) -> list[str]:
    """At the commas outside of parentheses."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [part for part in (*parts, text[start:].strip()) if part]
