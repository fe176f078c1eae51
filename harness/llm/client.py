"""The client of a language model: the only module that imports openai, and only when a request is made."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Self

from evaluator.errors import ModelError, UsageError
from harness.llm.address import is_valid, redact_url, secrets_of
from harness.llm.answers import Answer, Reply, Request, account, read_answer
from harness.llm.budget import Spent
from harness.llm.key import find_key
from harness.llm.prices import base_url_of, bound_tokens, find_price
from harness.llm.retrying import PassingFailure, Patience, is_passing, retry_after_s, retrying
from harness.llm.text import scrub
from harness.settings import LlmSettings

if TYPE_CHECKING:
    import openai

_CONNECT_S = 15.0
_BODY_BYTES = 64 * 2**20  # more than any answer; a server that sends without end is stopped here


class ModelClient:
    """Sends prompts to any server that speaks OpenAI's chat completions, and gets whole replies back.

    Requests that met a busy, failing, silent or vanished server are sent again, up to `settings.attempts` in all. One
    attempt takes `settings.timeout_s` at most. An attempt whose answer was lost may have been billed: it is counted at
    its upper bound, and no retry is made that could pass the `cap_usd` given to `complete`.

    Raises:
        ModelError: no key can be found.
        UsageError: no model is named, or the base URL is none.
    """

    def __init__(
        self, settings: LlmSettings, environ: Mapping[str, str] = os.environ, patience: Patience | None = None
    ) -> None:
        self._settings = settings
        self._patience = patience or Patience()
        url = base_url_of(settings, environ)
        self.url = redact_url(url)  # safe to show
        if not settings.model:
            raise UsageError("No model is named.", "Name one with llm.model=NAME.")
        if not is_valid(url):
            raise UsageError(
                f"The base URL of the model's server is none: {self.url}.", "Write http(s)://HOST[:PORT]/v1."
            )
        self._key = find_key(settings, url, environ)
        self._secrets = (*self._key.secrets, *secrets_of(url))
        self._base_url = url
        self.price = find_price(settings, environ)
        self._length_field = "max_completion_tokens" if url.startswith("https://api.openai.com/") else "max_tokens"
        self._sdk: openai.OpenAI | None = None

    def __repr__(self) -> str:
        return f"ModelClient(model={self._settings.model!r}, url={self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes connections; the client can't be used afterwards."""
        if self._sdk is not None:
            self._sdk.close()

    def complete(self, prompt: str, cap_usd: float | None = None) -> Reply:
        """One whole answer to one prompt.

        Raises:
            ModelError: the server refuses, can't be reached, or kept failing.
        """
        settings = self._settings
        request = Request(prompt, settings.model, settings.max_tokens, self.price)
        started = time.monotonic()
        attempts = lost = 0
        try:
            for attempt in retrying(settings.attempts, self._patience):
                with attempt:
                    attempts += 1
                    try:
                        answer = self._ask(prompt)
                    except PassingFailure as failure:
                        lost += failure.answered
                        self._refuse_costly_retry(failure, request, lost, cap_usd)
                        raise
        except PassingFailure as failure:
            times = f" (after {attempts} attempts)" if attempts > 1 else ""
            raise ModelError(failure.problem + times, failure.remedy) from None
        return account(answer, request, attempts, lost, time.monotonic() - started)

    def worst(self, prompt: str) -> Spent:
        """The most that one answered request can cost: a prompt of dense text and an answer of the greatest length."""
        prompt_tokens = bound_tokens(prompt)
        usd = self.price.usd(prompt_tokens, self._settings.max_tokens) if self.price else None
        return Spent(usd=usd, tokens=prompt_tokens + self._settings.max_tokens, calls=1)

    def _refuse_costly_retry(self, failure: PassingFailure, request: Request, lost: int, cap: float | None) -> None:
        if failure.wait_s is not None and failure.wait_s > self._patience.longest_s:
            asked = f"{failure.problem} It asks to wait {failure.wait_s:.0f} seconds."
            raise ModelError(asked, "Run the same command again later: it goes on where it stopped.") from None
        worst = self.worst(request.prompt).usd
        if cap is not None and worst is not None and lost and (lost + 1) * worst > cap:
            raise ModelError(
                f"{failure.problem} A retry could pass the spending cap: ${cap:.4g} is left.", "Raise budget.usd."
            ) from None

    def _ask(self, prompt: str) -> Answer:
        """One attempt."""
        with self._failures_for_people():
            return read_answer(self._body(prompt), self._secrets)

    def _body(self, prompt: str) -> bytes:
        """Sends the request and reads the whole body under a deadline: a timeout alone never ends a slow drip."""
        deadline = time.monotonic() + self._settings.timeout_s
        arguments: dict[str, Any] = {
            "model": self._settings.model,
            "messages": [{"role": "user", "content": prompt}],
            self._length_field: self._settings.max_tokens,
        }
        if self._settings.temperature is not None:
            arguments["temperature"] = self._settings.temperature
        pieces, size = [], 0
        with self._connected().chat.completions.with_streaming_response.create(**arguments) as response:
            for piece in response.iter_bytes():
                pieces.append(piece)
                size += len(piece)
                if time.monotonic() > deadline:
                    raise self._stalled()
                if size > _BODY_BYTES:
                    raise ModelError(f"The model's server at {self.url} sent more than {_BODY_BYTES >> 20} MiB.")
        return b"".join(pieces)

    def _connected(self) -> "openai.OpenAI":
        if self._sdk is None:
            import openai  # takes 0.9 s, so not before it is needed

            timeout_s = self._settings.timeout_s
            self._sdk = openai.OpenAI(
                api_key=self._key.value,
                base_url=self._base_url,
                timeout=openai.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s)),
                max_retries=0,  # retries are counted, bounded and shown in one place: here
            )
        return self._sdk

    @contextmanager
    def _failures_for_people(self) -> Iterator[None]:
        """Turns what the SDK and the transport raise into failures that may pass and errors that don't."""
        import httpx2  # the transport of the SDK: what it raises while a body is read comes through bare
        import openai

        try:
            yield
        except (openai.APITimeoutError, httpx2.TimeoutException):
            raise self._stalled() from None
        except openai.APIStatusError as error:
            self._judge(error)
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            raise self._unreachable(error) from None
        except openai.OpenAIError as error:
            raise ModelError(f"The request to {self.url} failed: {scrub(str(error), self._secrets)}") from None

    def _stalled(self) -> PassingFailure:
        return PassingFailure(
            f"The model's server at {self.url} did not finish an answer in {self._settings.timeout_s:g} seconds.",
            "Allow more with llm.timeout_s=SECONDS, or ask for less with llm.max_tokens=N.",
            answered=True,
        )

    def _unreachable(self, error: Exception) -> PassingFailure:
        import httpx2

        cause = error.__cause__ or error
        if isinstance(cause, httpx2.ConnectError):
            return PassingFailure(
                f"The model's server at {self.url} can't be reached: {scrub(str(cause), self._secrets)}.",
                "Check llm.base_url (or OPENAI_BASE_URL), and that the server runs; proposer=rules works without one.",
            )
        return PassingFailure(
            f"The connection to the model's server at {self.url} broke: {scrub(str(cause), self._secrets)}.",
            "Check the server's own log.",
            answered=True,
        )

    def _judge(self, error: "openai.APIStatusError") -> NoReturn:
        """A status of 4xx or 5xx: worth another attempt, or a sentence about what is wrong."""
        status, said = error.status_code, scrub(_message(error), self._secrets)
        if status == 400 and self._length_field == "max_tokens" and "max_completion_tokens" in _message(error):
            # Newer models of OpenAI refuse the old name of this field, most other servers know only the old one.
            self._length_field = "max_completion_tokens"
            raise PassingFailure(f"{self.url} refused the request (400): {said}", wait_s=0.0) from None
        if error.code == "insufficient_quota":
            raise ModelError(f"The account at {self.url} has no credit left ({status}): {said}") from None
        if is_passing(status):
            wait_s = retry_after_s(error.response.headers.get("retry-after"))
            raise PassingFailure(
                f"The model's server at {self.url} answered {status}: {said}", "Try again later.", wait_s
            ) from None
        problem = f"The model's server at {self.url} refused the request ({status}): {said}"
        raise ModelError(problem, self._remedy(status)) from None

    def _remedy(self, status: int) -> str:
        if status in (401, 403):
            return f"The key came from {self._key.origin}; check it, and that it belongs to {self.url}."
        if status == 404:
            return f"Check llm.model={self._settings.model} and llm.base_url: the server does not know one of them."
        return ""


def _message(error: "openai.APIStatusError") -> str:
    """What the server said, without the SDK's wrapping."""
    body = error.body
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])
    return error.response.text or error.message
