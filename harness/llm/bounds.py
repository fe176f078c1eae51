"""The most that answers can cost, before anything is sent: dense text, and answers of the greatest length."""

from harness.llm import continuation
from harness.llm.budget import Spent
from harness.llm.prices import Price, bound_tokens
from harness.llm.questions import Question


def of_request(question: Question, price: Price | None, more_tokens: int = 0) -> Spent:
    """One request; `more_tokens` are in its prompt and not known yet. `usd` is None if the price is not known."""
    prompt_tokens = bound_tokens(question.text) + more_tokens
    usd = price.usd(prompt_tokens, question.max_tokens) if price else None
    return Spent(usd=usd, tokens=prompt_tokens + question.max_tokens, calls=1)


def of_reply(question: Question, price: Price | None, continued: bool) -> Spent:
    """One answer; with `continued`, one that ends at its greatest length is gone on with once."""
    first = of_request(question, price)
    if not continued:
        return first
    return first + of_request(continuation.ask_on(question, ""), price, question.max_tokens)
