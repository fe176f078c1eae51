"""The client of a language model: whole replies to prompts, with what they cost, whatever the server is like."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from evaluator.errors import ModelError, UsageError
from harness.llm import bounds, continuation
from harness.llm.address import is_valid, redact_url, secrets_of
from harness.llm.answers import Answer, Reply, Tries, account, loss
from harness.llm.background import Background
from harness.llm.budget import Spent
from harness.llm.connection import Connection
from harness.llm.exchanges import Exchanges, Record
from harness.llm.faults import CallFailed, PromptTooLong, Whereabouts
from harness.llm.key import find_key
from harness.llm.limiter import Limiter
from harness.llm.prices import Price, base_url_of, find_price
from harness.llm.questions import Message, Question
from harness.llm.retrying import PassingFailure, Patience, retrying
from harness.settings import LlmSettings


class ModelClient:
    """Sends prompts to any server that speaks one of OpenAI's interfaces, and gets whole replies back.

    `complete` may be called by several threads; requests run in one event loop, at most `settings.concurrency` of them
    at a time and fewer while the server says that it is busy. Requests that met a busy, failing, silent or vanished
    server are sent again, up to `settings.attempts` in all. An attempt whose answer was lost may have been billed: it
    is counted at its upper bound, and no retry is made that could pass the `cap_usd` given to `complete`.

    Args:
        settings: the model, the server, and how it is asked.
        environ: where the key and OPENAI_BASE_URL may stand.
        patience: how long to wait between attempts.
        record: where every exchange is kept, and with `settings.cache` looked for first.

    Raises:
        ModelError: no key can be found.
        UsageError: no model is named, or the base URL is none.
    """

    def __init__(
        self,
        settings: LlmSettings,
        environ: Mapping[str, str] = os.environ,
        patience: Patience | None = None,
        record: Record | None = None,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._patience = patience or Patience()
        url = base_url_of(settings, environ)
        self.url = redact_url(url)  # safe to show
        if not settings.names:
            raise UsageError("No model is named.", "Name one with llm.model=NAME.")
        if not is_valid(url):
            raise UsageError(
                f"The base URL of the model's server is none: {self.url}.", "Write http(s)://HOST[:PORT]/v1."
            )
        self._key = find_key(settings, url, environ)
        where = Whereabouts(self.url, settings.names[0], self._key.origin, (*self._key.secrets, *secrets_of(url)))
        self._connection = Connection(settings, url, self._key.value, where)
        self._exchanges = Exchanges(record, self.url, settings.api)
        self._limiter = Limiter(settings.concurrency)
        self._loop = Background("model client")
        self._prices: dict[str, Price | None] = {}

    def __repr__(self) -> str:
        return f"ModelClient(models={self._settings.names!r}, url={self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives up what is in flight and closes connections; the client can't be used afterwards."""
        self._loop.close(self._connection.close)

    def complete(self, prompt: str, cap_usd: float | None = None, *, model: str = "", sample: int = 0) -> Reply:
        """One reply to one prompt, continued once if it ends at a length limit.

        Args:
            prompt: the whole of it.
            cap_usd: what it may cost at most, in dollars.
            model: empty for the first in the settings.
            sample: tells equal prompts apart that are to be answered anew.

        Raises:
            PromptTooLong: it does not fit into the model's context.
            CallFailed: the server can't be reached, or kept failing.
            ModelError: the server refuses.
        """
        question = self._question(prompt, model, sample)
        reply = self._exchange(question, cap_usd)
        if not reply.truncated or not self._settings.continue_truncated:
            return reply
        if not reply.text.strip():
            return _noted(reply, "nothing came before the length limit but reasoning: raise llm.max_tokens")
        return self._go_on(question, reply, cap_usd)

    def worst(self, prompt: str, model: str = "") -> Spent:
        """The most that one reply can cost: dense text, an answer of the greatest length, and another that goes on."""
        question = self._question(prompt, model, 0)
        return bounds.of_reply(question, self.price(question.model), self._settings.continue_truncated)

    def price(self, model: str = "") -> Price | None:
        """What a model costs, the first of the settings if none is named; None if nobody knows."""
        name = model or self._settings.names[0]
        if name not in self._prices:
            self._prices[name] = find_price(self._settings, self._environ, name)
        return self._prices[name]

    def _question(self, prompt: str, model: str, sample: int) -> Question:
        settings = self._settings
        messages = (Message("user", prompt),)
        return Question(model or settings.names[0], messages, settings.max_tokens, settings.temperature, sample)

    def _bound(self, question: Question) -> Spent:
        """The most that one request can cost."""
        return bounds.of_request(question, self.price(question.model))

    def _go_on(self, question: Question, first: Reply, cap_usd: float | None) -> Reply:
        """The first reply with its rest, or as it is with the reason why there is none."""
        further = continuation.ask_on(question, first.text)
        left = None if cap_usd is None or first.usd is None else cap_usd - first.usd
        bound = self._bound(further).usd
        if left is not None and bound is not None and bound > left:
            return _noted(first, f"it was not continued, since that could pass the spending cap: ${left:.4g} is left")
        try:
            rest = self._exchange(further, left)
        except PromptTooLong:
            return _noted(first, "it could not be continued: the model's context is full")
        except CallFailed as failure:
            raise CallFailed(failure.problem, failure.remedy, first.spent + failure.spent) from None
        text = continuation.join(first.text, rest.text)
        return _noted(first.continued(rest, text), "the reply was cut off at its length limit, and continued")

    def _exchange(self, question: Question, cap_usd: float | None) -> Reply:
        """One question, one reply: from the record if that is wanted, else from the server."""
        if self._settings.cache and (known := self._exchanges.recall(question)):
            return known
        reply = self._loop.run(self._persist(question, cap_usd))
        self._exchanges.keep(question, reply)
        return reply

    async def _persist(self, question: Question, cap_usd: float | None) -> Reply:
        """Ask until there is an answer, or no sense in asking on."""
        price, started = self.price(question.model), time.monotonic()
        failed = lost = 0
        refused = 0  # by an answer that is the end of it
        try:
            async for attempt in retrying(self._settings.attempts, self._patience):
                with attempt:
                    try:
                        answer = await self._attempt(question)
                    except PassingFailure as failure:
                        failed += 1
                        lost += failure.answered
                        if obstacle := self._obstacle(failure, question, lost, cap_usd):
                            raise obstacle from None
                        raise
                    except ModelError:
                        refused = 1
                        raise
        except PassingFailure as failure:
            problem, remedy = failure.problem + (f" (after {failed} attempts)" if failed > 1 else ""), failure.remedy
        except PromptTooLong:
            raise
        except ModelError as error:
            problem, remedy = error.problem, error.remedy
        else:
            tries = Tries(failed + answer.requests, lost, time.monotonic() - started)
            return account(answer, question, price, tries)
        raise CallFailed(problem, remedy, loss(question, price, Tries(failed + refused, lost, 0.0)))

    async def _attempt(self, question: Question) -> Answer:
        async with self._limiter.slot():
            return await self._connection.ask(question)

    def _obstacle(
        self, failure: PassingFailure, question: Question, lost: int, cap_usd: float | None
    ) -> ModelError | None:
        """Why another attempt is not made: it would take too long, or could cost too much."""
        if failure.wait_s is not None and failure.wait_s > self._patience.longest_s:
            asked = f"{failure.problem} It asks to wait {failure.wait_s:.0f} seconds."
            return ModelError(asked, "Run the same command again later: it goes on where it stopped.")
        worst = self._bound(question).usd
        if cap_usd is not None and worst is not None and lost and (lost + 1) * worst > cap_usd:
            problem = f"{failure.problem} A retry could pass the spending cap: ${cap_usd:.4g} is left."
            return ModelError(problem, "Raise budget.usd.")
        return None


def _noted(reply: Reply, note: str) -> Reply:
    return replace(reply, notes=(*reply.notes, note))
