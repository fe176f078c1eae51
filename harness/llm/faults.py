"""What a server reports as an error, under whatever status and in whatever place, and what follows from it."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from evaluator.errors import ModelError
from harness.llm.budget import Spent
from harness.llm.events import Events
from harness.llm.retrying import PassingFailure, is_passing
from harness.llm.text import scrub

_TOO_LONG_CODES = ("context_length_exceeded", "exceed_context_size_error", "string_above_max_length")
_TOO_LONG = re.compile(
    r"(maximum|max|available|model'?s|model) (model |context |input )*(length|size|window)"
    r"|context[ _](length|window|size)|exceeds? the (maximum|context)"
    r"|(prompt|inputs?|request|message) (\([^)]*\) )?(is|are) (too long|longer than)"
    r"|ContextWindowExceeded|reduce the length of the messages|too large for model|max_new_tokens` must be",
    re.IGNORECASE,
)
"""How OpenAI, vLLM, SGLang, llama.cpp, TGI, LM Studio, LiteLLM, Mistral, Anthropic and Gemini say it."""

_PASSING_WORDS = re.compile(r"overloaded|rate_?limit|server_error|internal|unavailable|timeout|capacity", re.IGNORECASE)
_BUSY_WORDS = re.compile(r"rate_?limit|overloaded|too many requests", re.IGNORECASE)
_DENIED, _UNKNOWN, _TOO_LARGE = (401, 403), 404, 413


class PromptTooLong(ModelError):
    """The prompt, with room for the answer, does not fit into the model's context."""


class CallFailed(ModelError):
    """A request came to nothing for good. `spent` is what its lost attempts may have cost, at their worst."""

    def __init__(self, problem: str, remedy: str, spent: Spent) -> None:
        super().__init__(problem, remedy)
        self.spent = spent


@dataclass(frozen=True)
class Fault:
    """An error as the server told it."""

    message: str
    status: int = 0  # of HTTP, or one that stands in the error itself; 0 if there is none
    code: str = ""  # a word: context_length_exceeded, rate_limit_error
    wait_s: float | None = None  # how long the server asks to wait


@dataclass(frozen=True)
class Whereabouts:
    """What messages about a server name, all of it safe to show, and what must not be shown in them."""

    url: str
    model: str
    key_origin: str
    secrets: tuple[str, ...]


def fault_of(data: dict[str, Any]) -> Fault | None:
    """The error that a JSON object reports; None if it reports none."""
    response = data.get("response")  # of an event that says how a response failed
    error = data.get("error") or (response.get("error") if isinstance(response, dict) else None)
    if not error and (data.get("type") == "error" or data.get("object") == "error"):
        error = data
    if not error:
        return None
    if not isinstance(error, dict):
        return Fault(str(error))
    words = [str(error[name]) for name in ("code", "type") if isinstance(error.get(name), str)]
    numbers = [number for name in ("code", "status") if (number := _status(error.get(name)))]
    message = error.get("message")
    return Fault(str(message) if message else str(error), next(iter(numbers), 0), " ".join(words))


def fault_in(body: bytes, status: int, wait_s: float | None) -> Fault:
    """The error under a status of 4xx or 5xx: in the usual form, or whatever text there is."""
    events = Events()
    told = [*events.feed(body), *events.finish()]  # some servers stream what they refuse
    text = told[0] if told else body.decode(errors="replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    fault = fault_of(data) if isinstance(data, dict) else None
    if fault is None and isinstance(data, dict):
        said = data.get("detail") or data.get("message")
        fault = Fault(said if isinstance(said, str) else text)
    return replace(fault or Fault(text), status=status, wait_s=wait_s)


def judged(fault: Fault, where: Whereabouts, *, streaming: bool = False) -> ModelError | PassingFailure:
    """The exception that fits a fault: worth another attempt, or a sentence about what is wrong.

    Args:
        fault: what the server told.
        where: for the message.
        streaming: part of an answer had come before; it may be billed, and an unnamed cause counts as passing.
    """
    said = scrub(fault.message, where.secrets)
    status = f" ({fault.status})" if fault.status else ""
    if is_too_long(fault):
        problem = f"The prompt is too long for {where.model} at {where.url}{status}: {said}"
        return PromptTooLong(problem, "Use a model with a longer context, or ask for less with llm.max_tokens=N.")
    if "insufficient_quota" in fault.code:
        return ModelError(f"The account at {where.url} has no credit left{status}: {said}")
    passing = is_passing(fault.status) or (not fault.status and bool(_PASSING_WORDS.search(fault.code)))
    if passing or (streaming and not fault.status):
        return PassingFailure(
            f"The model's server at {where.url} answered with an error{status}: {said}",
            "Try again later.",
            fault.wait_s,
            answered=streaming,
            busy=fault.status == 429 or (not fault.status and bool(_BUSY_WORDS.search(fault.code))),
        )
    return ModelError(f"The model's server at {where.url} refused the request{status}: {said}", _remedy(fault, where))


def is_too_long(fault: Fault) -> bool:
    """True if the prompt does not fit into the model's context."""
    if fault.status == _TOO_LARGE or any(code in fault.code for code in _TOO_LONG_CODES):
        return True
    return fault.status in (0, 400, 422, 500) and bool(_TOO_LONG.search(fault.message))


def _remedy(fault: Fault, where: Whereabouts) -> str:
    if fault.status in _DENIED:
        return f"The key came from {where.key_origin}; check it, and that it belongs to {where.url}."
    if fault.status == _UNKNOWN or "model_not_found" in fault.code:
        return f"Check llm.model={where.model}, llm.base_url and llm.api: the server does not know one of them."
    return f"Check llm.model and llm.base_url, and the key, which came from {where.key_origin}."


def _status(value: object) -> int:
    """The HTTP status that a value stands for, as a number or in digits; 0 if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdigit():
        return 0
    return int(value) if 400 <= int(value) < 600 else 0
