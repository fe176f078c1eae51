"""What comes back from a model, and its account."""

from dataclasses import dataclass, replace
from typing import Any

from harness.llm.budget import Spent
from harness.llm.prices import Price, estimate_tokens
from harness.llm.questions import Question

LENGTH = "length"
_CHARACTERS_PER_TOKEN_AT_MOST = 12  # of prose and code; the usual figure is four
_CUT = ("length", "max_tokens", "max_output_tokens", "model_length", "MAX_TOKENS")
_WITHHELD = ("content_filter", "SAFETY", "RECITATION")


@dataclass(frozen=True)
class Answer:
    """One body, read. Tokens are None where the server counted none."""

    text: str
    reasoning: str = ""  # of models that show it apart from the answer
    finish_reason: str = ""  # empty if the server did not say
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    model: str = ""
    requests: int = 1  # that were sent for it: more than one if the server refused an argument first
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What the model answered, and what it took. Tokens and dollars include lost attempts; see `ModelClient`."""

    text: str
    reasoning: str  # of models that show it apart from the answer
    finish_reason: str  # stop | length | content_filter | ...; empty if the server did not say
    prompt_tokens: int
    completion_tokens: int
    seconds: float  # wall time, waits included
    attempts: int  # requests that were sent
    model: str  # as the server names it, else as it was asked for
    usd: float | None  # None: the price is not known
    estimated: bool = False  # the server did not count tokens, or an attempt was lost: figures are estimates
    notes: tuple[str, ...] = ()  # what a person should know about how it came about

    @property
    def truncated(self) -> bool:
        """True if the answer ended at a length limit."""
        return self.finish_reason in _CUT

    @property
    def withheld(self) -> bool:
        """True if the server kept the answer, or the rest of it, to itself."""
        return self.finish_reason in _WITHHELD

    @property
    def spent(self) -> Spent:
        """What it cost."""
        return Spent(usd=self.usd, tokens=self.prompt_tokens + self.completion_tokens, calls=self.attempts)

    def reused(self, note: str) -> "Reply":
        """The same, at what it costs the second time: nothing."""
        free = replace(self, prompt_tokens=0, completion_tokens=0, seconds=0.0, attempts=0, usd=0.0, estimated=False)
        return replace(free, notes=(*self.notes, note))

    def continued(self, more: "Reply", text: str) -> "Reply":
        """This reply and the one that went on from it, as one with this text."""
        return replace(
            more,
            text=text,
            reasoning=self.reasoning + more.reasoning,
            prompt_tokens=self.prompt_tokens + more.prompt_tokens,
            completion_tokens=self.completion_tokens + more.completion_tokens,
            seconds=self.seconds + more.seconds,
            attempts=self.attempts + more.attempts,
            usd=None if self.usd is None or more.usd is None else self.usd + more.usd,
            estimated=self.estimated or more.estimated,
            notes=(*self.notes, *(note for note in more.notes if note not in self.notes)),
        )


@dataclass(frozen=True)
class Tries:
    """How an answer came about: requests sent, answers that were lost on the way, wall seconds."""

    requests: int
    lost: int
    seconds: float


def account(answer: Answer, question: Question, price: Price | None, tries: Tries) -> Reply:
    """The reply with its cost. Each lost attempt is counted at its worst: the whole answer written and billed."""
    prompt_tokens = answer.prompt_tokens or estimate_tokens(question.text)
    completion_tokens = answer.completion_tokens or estimate_tokens(answer.text + answer.reasoning)
    counted = answer.prompt_tokens is not None and answer.completion_tokens is not None
    # Of servers that don't say why they stopped, or call every end a complete one, the count tells.
    over = 0 if answer.finish_reason else completion_tokens - question.max_tokens
    cut = counted and (completion_tokens == question.max_tokens or over > 0)
    prompt_tokens *= 1 + tries.lost
    completion_tokens += question.max_tokens * tries.lost
    return Reply(
        text=answer.text,
        reasoning=answer.reasoning,
        finish_reason=LENGTH if cut else answer.finish_reason,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        seconds=round(tries.seconds, 3),
        attempts=tries.requests,
        model=answer.model or question.model,
        usd=price.usd(prompt_tokens, completion_tokens) if price else None,
        estimated=tries.lost > 0 or not counted,
        notes=(*answer.notes, *_doubts(answer, question)),
    )


def _doubts(answer: Answer, question: Question) -> tuple[str, ...]:
    """What a server's count makes one suspect: some cut a prompt that is too long without a word."""
    read, least = answer.prompt_tokens, len(question.text) // _CHARACTERS_PER_TOKEN_AT_MOST
    if read is None or read >= least:
        return ()
    return (f"the server counts {read} tokens of a prompt that has at least {least}: it may have read only a part",)


def loss(question: Question, price: Price | None, tries: Tries) -> Spent:
    """What lost attempts cost at their worst, when no answer came of them."""
    prompt_tokens, completion_tokens = estimate_tokens(question.text) * tries.lost, question.max_tokens * tries.lost
    usd = price.usd(prompt_tokens, completion_tokens) if price else (0.0 if not tries.lost else None)
    return Spent(usd=usd, tokens=prompt_tokens + completion_tokens, calls=tries.requests)


def text_of(content: object) -> str:
    """Content as a string: servers send a string, nothing, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part if isinstance(part, str) else _part(part) for part in content)
    return ""


def _part(part: object) -> str:
    if not isinstance(part, dict) or part.get("type", "text") not in ("text", "output_text"):
        return ""
    return text_of(part.get("text"))


def count_of(usage: dict[str, Any], *names: str) -> int | None:
    """A number of tokens under the first of these names that holds one; None if it is missing or absurd.

    Zero is what servers that don't count report.
    """
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def object_of(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
