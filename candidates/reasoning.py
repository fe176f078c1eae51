"""Telling a reply's reasoning from its answer."""

import re
from dataclasses import dataclass

_WORDS = "think|thinking|thought|thoughts|reasoning|analysis|scratchpad|reflection"
_TAG = re.compile(rf"^[ \t]*<(?:{_WORDS})(?:\s[^<>\n]*)?>|(?P<end></(?:{_WORDS})\s*>)", re.IGNORECASE | re.MULTILINE)
"""Opening tags count where they begin a line, so that prose that mentions one opens nothing."""


@dataclass(frozen=True)
class Reply:
    """A reply in two parts. `ended` is False if the reply breaks off inside its reasoning."""

    answer: str
    reasoning: str
    ended: bool = True


def split(reply: str) -> Reply:
    """Split a reply. A first closing tag without an opening one ends reasoning that began with the reply: some chat
    templates put the opening tag into the prompt."""
    answer: list[str] = []
    thoughts: list[str] = []
    start = 0
    thinking = False
    for tag in _TAG.finditer(reply):
        ends = tag["end"] is not None
        if ends and not thinking and not thoughts:
            thoughts, answer = [*answer, reply[start : tag.start()]], []
        elif ends == thinking:
            (thoughts if thinking else answer).append(reply[start : tag.start()])
            thinking = not thinking
        else:
            continue
        start = tag.end()
    (thoughts if thinking else answer).append(reply[start:])
    return Reply("".join(answer), "".join(thoughts), ended=not thinking)
