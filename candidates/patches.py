"""Replies that change the current code instead of repeating it: search/replace blocks, and unified diffs.

Both become a list of edits. An edit's old text is looked for exactly, then without regard to trailing blanks, then
without regard to indentation (the new text is shifted along). It must be found in one place only: a patch that fits in
two places is refused rather than guessed at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from candidates.text import neutralise


@dataclass(frozen=True)
class Edit:
    """Replace the lines `old` by the lines `new`. `label` names the block for messages: "search/replace block 2"."""

    label: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    complete: bool = True  # False if the reply breaks off before the block ends


@dataclass(frozen=True)
class Patched:
    """The patched text, or the problem that kept it from being made (one sentence that names the failing block)."""

    text: str | None
    problem: str = ""


def edits(reply: str) -> tuple[Edit, ...]:
    """The edits in a reply: its search/replace blocks, or the hunks of its unified diffs if it has no such blocks."""
    lines = reply.split("\n")
    return tuple(_search_replace(lines)) or tuple(_hunks(lines))


def apply(edits: tuple[Edit, ...], current: str) -> Patched:
    """Apply edits one after the other to `current`."""
    lines = current.rstrip("\n").split("\n")
    for edit in edits:
        if not edit.complete:
            return Patched(None, f"{edit.label} is not complete: the reply breaks off before its end.")
        if not any(line.strip() for line in edit.old):
            return Patched(None, f"{edit.label} does not say which lines to replace.")
        found = _find(edit.old, lines)
        if not found:
            edit = _trimmed(edit)
            found = _find(edit.old, lines)
        if len(found) != 1:
            return Patched(None, _misfit(edit, len(found)))
        start, shift = found[0]
        lines[start : start + len(edit.old)] = [_shifted(line, shift) for line in edit.new]
    return Patched("\n".join(lines) + "\n")


def _misfit(edit: Edit, places: int) -> str:
    where = f"fits in {places} places of" if places else "is not to be found in"
    first = next(line.strip() for line in edit.old if line.strip())
    begins = f"it begins with `{neutralise(first)[:100]}`."
    return f"{edit.label} can't be applied: the text to replace {where} the current code; {begins}"


def _trimmed(edit: Edit) -> Edit:
    """The edit without the empty lines around its texts."""
    old, new = ("\n".join(part).strip("\n") for part in (edit.old, edit.new))
    return replace(edit, old=tuple(old.split("\n")), new=tuple(new.split("\n")) if new else ())


def _find(old: tuple[str, ...], lines: list[str]) -> list[tuple[int, int]]:
    """Where `old` is in `lines`, as (index, blanks that the indentation differs by), by the strictest match found."""
    for same in (_exactly, _but_trailing, _but_indent):
        found = [
            (start, shift)
            for start in range(len(lines) - len(old) + 1)
            if (shift := same(old, lines[start : start + len(old)])) is not None
        ]
        if found:
            return found
    return []


def _exactly(old: tuple[str, ...], there: list[str]) -> int | None:
    return 0 if list(old) == there else None


def _but_trailing(old: tuple[str, ...], there: list[str]) -> int | None:
    return 0 if [line.rstrip() for line in old] == [line.rstrip() for line in there] else None


def _but_indent(old: tuple[str, ...], there: list[str]) -> int | None:
    if [line.strip() for line in old] != [line.strip() for line in there]:
        return None
    shifts = {_indent(b) - _indent(a) for a, b in zip(old, there, strict=True) if a.strip()}
    return shifts.pop() if len(shifts) == 1 else None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _shifted(line: str, shift: int) -> str:
    if not line.strip() or shift == 0:
        return line
    return " " * shift + line if shift > 0 else line[min(-shift, _indent(line)) :]


def _search_replace(lines: list[str]) -> Iterator[Edit]:
    label, indent = "", 0
    old: list[str] = []
    new: list[str] | None = None
    count = 0
    for line in lines:
        mark = _mark(line)
        if mark == "<":
            count += 1
            label, indent, old, new = f"search/replace block {count}", _indent(line), [], None
        elif not label:
            continue
        elif mark == "=" and new is None:
            new = []
        elif mark == ">" and new is not None:
            yield Edit(label, tuple(old), tuple(new))
            label = ""
        else:
            (old if new is None else new).append(line[min(indent, _indent(line)) :])
    if label:
        yield Edit(label, tuple(old), tuple(new or ()), complete=False)


def _mark(line: str) -> str:
    """ "<", "=" or ">" if the line is a marker of a search/replace block, else nothing."""
    head, _, word = line.strip().partition(" ")
    character = head[:1]
    if character not in ("<", "=", ">") or len(head) < 5 or set(head) != {character}:
        return ""
    expected = {"<": ("SEARCH", "ORIGINAL", "OLD"), "=": ("",), ">": ("REPLACE", "UPDATED", "NEW")}[character]
    return character if word.strip().upper() in expected else ""


def _hunks(lines: list[str]) -> Iterator[Edit]:
    """Hunks by their content alone: the line numbers that models write are wrong too often."""
    count = 0
    body: list[str] | None = None
    for line in [*lines, "```"]:
        if body is not None and not _belongs(line):
            yield _hunk(f"diff hunk {count}", body)
            body = None
        if line.startswith("@@") and line.find("@@", 2) > 0:
            count += 1
            body = []
        elif body is not None:
            body.append(line)


def _belongs(line: str) -> bool:
    """True if a line can be part of a hunk's body (an empty one is a context line whose blank was lost)."""
    return line == "" or (line[0] in " +-\\" and not line.startswith(("--- ", "+++ ")))


def _hunk(label: str, body: list[str]) -> Edit:
    while body and body[-1] == "":
        body.pop()
    old = tuple(line[1:] for line in body if not line.startswith(("+", "\\")))
    new = tuple(line[1:] for line in body if not line.startswith(("-", "\\")))
    return Edit(label, old, new)
