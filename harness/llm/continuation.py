"""Going on with an answer that ended at a length limit."""

from harness.llm.questions import Message, Question

INSTRUCTION = (
    "Your answer was cut off at a length limit. Go on exactly where it stopped: the first character that you write is "
    "the one that follows. Repeat nothing, explain nothing, and open no new code fence if you are inside one."
)
_OVERLAP = (12, 2000)  # characters that may be a repetition: fewer are chance, more are not looked for
_FENCES = ("```", "~~~")


def ask_on(question: Question, partial: str) -> Question:
    """The question that asks for the rest."""
    return question.followed_by(Message("assistant", partial), Message("user", INSTRUCTION))


def join(partial: str, rest: str) -> str:
    """Both as one text, without what models put in between: a fence opened again, the last words repeated."""
    if _inside_fence(partial) and rest.lstrip().startswith(_FENCES):
        first, _, others = rest.lstrip().partition("\n")
        if first.strip("`~ ") in ("python", "py") or (first.strip("`~ ") == "" and _closes_later(others)):
            rest = others
    least, most = _OVERLAP
    for length in range(min(most, len(partial), len(rest)), least - 1, -1):
        if partial.endswith(rest[:length]):
            return partial + rest[length:]
    return partial + rest


def _inside_fence(text: str) -> bool:
    return sum(line.lstrip().startswith(_FENCES) for line in text.splitlines()) % 2 == 1


def _closes_later(text: str) -> bool:
    """True if a fence follows: then the one before it opened something, and did not close it."""
    return any(line.lstrip().startswith(_FENCES) for line in text.splitlines())
