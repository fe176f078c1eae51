"""From the body of a chat completion to a reply, allowing for the ways in which servers deviate from the format."""

import json
from dataclasses import dataclass

from evaluator.errors import ModelError
from harness.llm.prices import Price, estimate_tokens
from harness.llm.retrying import PassingFailure, is_passing
from harness.llm.text import scrub


@dataclass(frozen=True)
class Reply:
    """What the model answered, and what it took. Tokens and dollars include lost attempts; see `ModelClient`."""

    text: str
    reasoning: str  # of models that show it apart from the answer
    finish_reason: str  # stop | length | content_filter | ...; empty if the server did not say
    prompt_tokens: int
    completion_tokens: int
    seconds: float  # wall time, waits included
    attempts: int
    model: str  # as the server names it, else as it was asked for
    usd: float | None  # None: the price is not known
    estimated: bool = False  # the server did not count tokens, or an attempt was lost: figures are estimates

    @property
    def truncated(self) -> bool:
        """True if the answer ended at a length limit."""
        return self.finish_reason in ("length", "max_tokens")


@dataclass(frozen=True)
class Answer:
    """One body, read."""

    text: str
    reasoning: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    model: str


def read_answer(body: bytes, secrets: tuple[str, ...]) -> Answer:
    """The first choice of a chat completion.

    Raises:
        PassingFailure: the body is no JSON object (cut off, or an error page), or holds an error that may pass.
        ModelError: the body is whole, and holds no answer.
    """
    shown = scrub(body.decode(errors="replace"), secrets)
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise PassingFailure(
            f"The model's server sent something that is not JSON: {shown or '(nothing)'}",
            "Check llm.base_url: it usually ends in /v1.",
            answered=True,
        ) from None
    if not isinstance(data, dict):
        raise ModelError(f"The model's server sent JSON that is no chat completion: {shown}", _CHECK)
    _refuse_error(data.get("error"), secrets)
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ModelError(f"The model's server sent an answer without choices: {shown}", _CHECK)
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise ModelError(f"The model's server sent a choice without a message: {shown}", _CHECK)
    usage = _object(data.get("usage"))
    return Answer(
        text=_text(message.get("content")) or _text(message.get("refusal")),
        reasoning=_text(message.get("reasoning_content")) or _text(message.get("reasoning")),
        finish_reason=_text(choices[0].get("finish_reason")),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        model=_text(data.get("model")),
    )


_CHECK = "Check that llm.base_url names a server that speaks the OpenAI chat completions format."


def _refuse_error(error: object, secrets: tuple[str, ...]) -> None:
    """Some gateways report an error under status 200."""
    if not error:
        return
    described = error if isinstance(error, dict) else {"message": str(error)}
    problem = f"The model's server answered with an error: {scrub(_text(described.get('message')), secrets)}"
    code = described.get("code")
    if isinstance(code, int) and is_passing(code):
        raise PassingFailure(problem)
    raise ModelError(problem, "Check llm.model and llm.base_url.")


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(content: object) -> str:
    """Content as a string: servers send a string, nothing, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part if isinstance(part, str) else _part(part) for part in content)
    return ""


def _part(part: object) -> str:
    if not isinstance(part, dict) or part.get("type", "text") not in ("text", "output_text"):
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def _count(value: object) -> int | None:
    """A number of tokens, None if it is missing or absurd (zero is what servers that don't count report)."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


@dataclass(frozen=True)
class Request:
    """What was sent, as far as accounts need it."""

    prompt: str
    model: str
    max_tokens: int
    price: Price | None


def account(answer: Answer, request: Request, attempts: int, lost: int, seconds: float) -> Reply:
    """The reply with its cost. Each lost attempt is counted at its worst: the whole answer written and billed."""
    prompt_tokens = answer.prompt_tokens or estimate_tokens(request.prompt)
    completion_tokens = answer.completion_tokens or estimate_tokens(answer.text + answer.reasoning)
    prompt_tokens, completion_tokens = prompt_tokens * (1 + lost), completion_tokens + request.max_tokens * lost
    counted = answer.prompt_tokens is not None and answer.completion_tokens is not None
    return Reply(
        text=answer.text,
        reasoning=answer.reasoning,
        finish_reason=answer.finish_reason,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        seconds=seconds,
        attempts=attempts,
        model=answer.model or request.model,
        usd=request.price.usd(prompt_tokens, completion_tokens) if request.price else None,
        estimated=lost > 0 or not counted,
    )
