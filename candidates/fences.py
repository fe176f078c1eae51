"""Finding code blocks in a reply, line by line.

CommonMark ends a fenced block at the first closing fence. That cuts a module whose docstring holds a fenced example,
so here a block that claims to be Python ends at the first closing fence *at which it parses*; only if it parses at
none of them, at the first. Everything else is CommonMark: backticks or tildes, any length of three or more, an info
string, an indented fence whose indentation is taken off its content, list markers before the fence.
"""

from dataclasses import dataclass

from candidates import syntax

PYTHON_TAGS = frozenset({"", "python", "py", "python3", "py3", "triton", "code", "ipython", "pycon"})
_MAX_CLOSINGS = 40  # closing fences tried for one block


@dataclass(frozen=True)
class Block:
    """One fenced block. `language` is the first word of its info string in lower case; `line` counts from 1."""

    language: str
    text: str
    line: int
    closed: bool

    @property
    def is_python(self) -> bool:
        """True if the block claims to be Python, or claims nothing."""
        return self.language in PYTHON_TAGS


@dataclass(frozen=True)
class _Fence:
    mark: str  # one character: ` or ~
    length: int
    indent: int
    info: str

    def closes(self, opening: "_Fence") -> bool:
        return self.mark == opening.mark and self.length >= opening.length and not self.info


def blocks(reply: str) -> tuple[Block, ...]:
    """The fenced blocks of a reply in order; the last one may be unclosed."""
    lines = reply.split("\n")
    fences = {number: fence for number, line in enumerate(lines) if (fence := _fence(line))}
    found: list[Block] = []
    resume = 0
    for number, fence in fences.items():
        if number < resume:
            continue
        end = _end(lines, fences, number)
        text = _content(lines[number + 1 : end], fence.indent)
        language = fence.info.split()[0].strip("{}.").lower() if fence.info.split() else ""
        found.append(Block(language, text, number + 1, closed=end < len(lines)))
        resume = end + 1
    return tuple(found)


def _end(lines: list[str], fences: dict[int, _Fence], start: int) -> int:
    """Index of the line that closes the block opened at `start`; the number of lines if none does."""
    opening = fences[start]
    closings = [number for number, fence in fences.items() if number > start and fence.closes(opening)]
    if not closings:
        return len(lines)
    language = opening.info.split()[0].strip("{}.").lower() if opening.info.split() else ""
    if language in PYTHON_TAGS:
        for number in closings[:_MAX_CLOSINGS]:
            if _parses(_content(lines[start + 1 : number], opening.indent)):
                return number
    return closings[0]


def _parses(text: str) -> bool:
    try:
        syntax.parse(text)
    except syntax.Unparsed:
        return False
    return True


def _content(lines: list[str], indent: int) -> str:
    """The lines with up to `indent` leading blanks taken off each."""
    return "\n".join(line[min(indent, len(line) - len(line.lstrip(" "))) :] for line in lines)


def _fence(line: str) -> _Fence | None:
    """The fence that a line consists of, after blanks and at most one list marker or some quote marks."""
    body = _after_marker(line.expandtabs(4))
    mark = body[:1]
    if mark not in ("`", "~"):
        return None
    length = len(body) - len(body.lstrip(mark))
    info = body[length:].strip()
    if length < 3 or (mark == "`" and "`" in info):
        return None  # inline code
    return _Fence(mark, length, len(line.expandtabs(4)) - len(body), info)


def _after_marker(line: str) -> str:
    body = line.lstrip(" ")
    head, _, rest = body.partition(" ")
    is_marker = head in ("-", "*", "+") or (head[:-1].isdigit() and head[-1:] in (".", ")"))
    return rest.lstrip(" ") if is_marker and rest.lstrip(" ")[:3] in ("```", "~~~") else body
