"""Finding code blocks in a reply, line by line.

CommonMark ends a fenced block at the first closing fence. That cuts a module whose docstring holds a fenced example,
so here a block that claims to be Python ends at the first closing fence *at which it parses*; only if it parses at
none of them, at the first. Everything else is CommonMark: backticks or tildes, any length of three or more, an info
string, an indented fence whose indentation is taken off its content, list markers before the fence.
"""

from dataclasses import dataclass

from candidates import syntax

PYTHON_TAGS = frozenset({"", "python", "py", "python3", "py3", "triton", "code", "ipython", "pycon"})
_MAX_FENCES = 200  # fences looked at for the end of one block
_MAX_TRIALS = 400  # ends tried in one reply


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

    @property
    def language(self) -> str:
        """First word of the info string, in lower case, without the braces that some write around it."""
        return self.info.split()[0].strip("{}.").lower() if self.info else ""

    def closes(self, opening: "_Fence") -> bool:
        return self.mark == opening.mark and self.length >= opening.length and not self.info


def blocks(reply: str) -> tuple[Block, ...]:
    """The fenced blocks of a reply in order; the last one may be unclosed."""
    lines = reply.split("\n")
    fences = [(number, fence) for number, line in enumerate(lines) if (fence := _fence(line))]
    found: list[Block] = []
    resume = 0
    trials = _MAX_TRIALS
    for place, (number, opening) in enumerate(fences):
        if number < resume:
            continue
        closings = (at for at, fence in fences[place + 1 : place + _MAX_FENCES] if fence.closes(opening))
        end = next(closings, len(lines))
        if opening.language in PYTHON_TAGS:
            for later in (end, *closings):
                trials -= 1
                if trials < 0 or later == len(lines):
                    break
                if _parses(_content(lines[number + 1 : later], opening.indent)):
                    end = later
                    break
        text = _content(lines[number + 1 : end], opening.indent)
        found.append(Block(opening.language, text, number + 1, closed=end < len(lines)))
        resume = end + 1
    return tuple(found)


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
