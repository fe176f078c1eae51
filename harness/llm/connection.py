"""The connection to a model's server: the only module that imports openai, and only when a request is made."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from evaluator.errors import ModelError
from harness.llm import chat, responses
from harness.llm.answers import Answer
from harness.llm.deviations import REFUSALS, concede
from harness.llm.faults import Fault, Whereabouts, fault_in, is_too_long, judged
from harness.llm.questions import Question
from harness.llm.reading import Partial, Reader
from harness.llm.retrying import PassingFailure, retry_after_s
from harness.llm.text import hide, scrub
from harness.settings import LlmSettings

if TYPE_CHECKING:
    import httpx2
    import openai

_CONNECT_S = 15.0
_LEAST_BYTES, _BYTES_PER_TOKEN = 2**20, 4096  # an event for each token, all that servers put into one included
_ERROR_BYTES = 2**16
_INTERFACES: dict[str, tuple[Callable[..., dict[str, Any]], Callable[[], Partial]]] = {
    "chat": (chat.arguments, chat.ChatAnswer),
    "responses": (responses.arguments, responses.ResponsesAnswer),
}


class _Body(Protocol):
    def iter_bytes(self) -> AsyncIterator[bytes]: ...


class _Refused(Exception):
    """A status of 4xx or 5xx, with what the server said."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault


class Connection:
    """Sends one request at a time or many, in the event loop that it is used in.

    Args:
        settings: the interface, and how long to wait.
        base_url: with everything that a request needs.
        key: goes into the header, and nowhere else.
        where: the same in words that may be shown.
    """

    def __init__(self, settings: LlmSettings, base_url: str, key: str, where: Whereabouts) -> None:
        self._settings = settings
        self._base_url = base_url
        self._key = key
        self._where = where
        self._most_bytes = _LEAST_BYTES + _BYTES_PER_TOKEN * settings.max_tokens
        self._first = frozenset({"newer length limit"} if base_url.startswith("https://api.openai.com/") else ())
        self._made: dict[str, frozenset[str]] = {}  # by model: names of `deviations.CONCESSIONS`
        self._sdk: openai.AsyncOpenAI | None = None

    async def ask(self, question: Question) -> Answer:
        """One attempt. A request whose arguments the server refuses is sent again at once without them.

        Raises:
            PassingFailure: it may succeed another time.
            ModelError: it won't.
        """
        arguments, _ = _INTERFACES[self._settings.api]
        where = replace(self._where, model=question.model)
        notes: tuple[str, ...] = ()
        requests = 0
        while True:
            made = self._made.get(question.model, self._first)
            sent = arguments(question, made, stream=self._settings.stream)
            requests += 1
            try:
                answer = await self._send(sent, where)
            except _Refused as refusal:
                fault = refusal.fault
                concession = concede(fault.message, sent, made) if fault.status in REFUSALS else None
                if concession is None or is_too_long(fault):
                    raise judged(fault, where) from None
                self._made[question.model] = made | {concession.name}
                notes += (concession.note,) if concession.note else ()
            else:
                text, reasoning = (hide(part, where.secrets) for part in (answer.text, answer.reasoning))
                return replace(answer, text=text, reasoning=reasoning, requests=requests, notes=notes)

    async def close(self) -> None:
        """Close what is open."""
        if self._sdk is not None:
            await self._sdk.close()

    async def _send(self, sent: dict[str, Any], where: Whereabouts) -> Answer:
        """The request and its whole body, under a deadline: a timeout for each read alone never ends a slow drip."""
        _, partial = _INTERFACES[self._settings.api]
        reader = Reader(partial(), where)
        with self._failures_for_people():
            sdk = self._connected()  # takes its time once, which is not the server's
            try:
                async with asyncio.timeout(self._settings.timeout_s), self._request(sdk, sent) as response:
                    await self._read(response, reader)
            except TimeoutError:
                if reader.whole:  # the server only keeps the line open
                    return reader.answer()
                raise self._stalled("finish an answer", "timeout_s") from None
        return reader.finish()

    async def _read(self, response: _Body, reader: Reader) -> None:
        """Read to the end; once text has begun to come, the next piece may not take longer than `silence_s`."""
        clock, came = asyncio.get_running_loop().time, 0
        try:
            async with asyncio.timeout(None) as silence:
                async for piece in response.iter_bytes():
                    came += len(piece)
                    if came > self._most_bytes:
                        raise self._endless()
                    reader.feed(piece)
                    if reader.done:
                        return
                    if reader.begun:
                        silence.reschedule(clock() + self._settings.silence_s)
        except TimeoutError:
            if not silence.expired():
                raise
            if not reader.whole:
                raise self._stalled("go on with an answer", "silence_s") from None

    def _request(self, sdk: "openai.AsyncOpenAI", sent: dict[str, Any]) -> AbstractAsyncContextManager[_Body]:
        api = sdk.responses if self._settings.api == "responses" else sdk.chat.completions
        create: Any = api.with_streaming_response.create  # overloaded for every combination of arguments
        request: AbstractAsyncContextManager[_Body] = create(**sent)
        return request

    def _connected(self) -> "openai.AsyncOpenAI":
        if self._sdk is None:
            import openai  # takes 0.9 s, so not before it is needed

            timeout_s = self._settings.timeout_s
            parts = urlsplit(self._base_url)
            self._sdk = openai.AsyncOpenAI(
                api_key=self._key,
                base_url=urlunsplit(parts._replace(query="", fragment="")),
                default_query=dict(parse_qsl(parts.query)),
                timeout=openai.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s)),
                max_retries=0,  # retries are counted, bounded and shown in one place, which is not here
                http_client=openai.DefaultAsyncHttpxClient(event_hooks={"response": [_refuse]}),
                default_headers={"Accept-Encoding": "identity"},  # few bytes must not become many
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
            raise self._stalled("finish an answer", "timeout_s") from None
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            raise self._unreachable(error.__cause__ or error) from None
        except openai.OpenAIError as error:
            said = scrub(str(error), self._where.secrets)
            raise ModelError(f"The request to {self._where.url} failed: {said}") from None

    def _stalled(self, what: str, setting: str) -> PassingFailure:
        seconds = getattr(self._settings, setting)
        return PassingFailure(
            f"The model's server at {self._where.url} did not {what} in {seconds:g} seconds.",
            f"Allow more with llm.{setting}=SECONDS, or ask for less with llm.max_tokens=N.",
            answered=True,
        )

    def _endless(self) -> PassingFailure:
        return PassingFailure(
            f"The model's server at {self._where.url} sent more than {self._most_bytes >> 20} MiB in one answer and "
            f"did not end it.",
            "An answer of llm.max_tokens has less; check the server's own log.",
            answered=True,
        )

    def _unreachable(self, cause: BaseException) -> PassingFailure:
        import httpx2

        said = scrub(str(cause), self._where.secrets) or type(cause).__name__
        if isinstance(cause, httpx2.ConnectError):
            return PassingFailure(
                f"The model's server at {self._where.url} can't be reached: {said}.",
                "Check llm.base_url (or OPENAI_BASE_URL), and that the server runs; proposer=rules works without one.",
            )
        return PassingFailure(
            f"The connection to the model's server at {self._where.url} broke: {said}.",
            "Check the server's own log.",
            answered=True,
        )


async def _refuse(response: "httpx2.Response") -> None:
    """Called for every response: of an error, the body is read here, as far as it is of use."""
    if response.status_code < 400:
        return
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _ERROR_BYTES:
            break
    wait_s = retry_after_s(response.headers.get("retry-after"))
    raise _Refused(fault_in(bytes(body), response.status_code, wait_s))
