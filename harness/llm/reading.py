"""From the bytes of a body to an answer, whether the server streams events or sends one JSON object."""

import json
from collections.abc import Iterable
from typing import Any, Protocol

from evaluator.errors import ModelError
from harness.llm.answers import Answer
from harness.llm.events import Events
from harness.llm.faults import Whereabouts, fault_of, judged
from harness.llm.retrying import PassingFailure
from harness.llm.text import scrub

_DONE = "[DONE]"
_CHECK = "Check llm.base_url, which usually ends in /v1, and llm.api."


class Partial(Protocol):
    """An answer in the making, in the terms of one interface (`chat.ChatAnswer`, `responses.ResponsesAnswer`)."""

    @property
    def begun(self) -> bool: ...

    @property
    def finished(self) -> bool: ...

    def add(self, data: dict[str, Any]) -> bool: ...

    def answer(self) -> Answer | None: ...


class Reader:
    """Takes in a body piece by piece.

    Servers answer a request for a stream with one object, and one for an object with a stream: what comes decides.

    Raises:
        PassingFailure: what came is no JSON, an error that may pass, or ended before the answer did.
        ModelError: what came is whole, and holds no answer.
        PromptTooLong: the server says so.
    """

    def __init__(self, partial: Partial, where: Whereabouts) -> None:
        self._partial = partial
        self._where = where
        self._events: Events | None = None  # None: it is one object, as far as is known
        self._body = bytearray()  # of one object, or the beginning of a stream
        self._came = False  # an event of this interface
        self.done = False  # the server said that nothing more comes

    @property
    def begun(self) -> bool:
        """True once a piece of text has come."""
        return self._partial.begun

    @property
    def whole(self) -> bool:
        """True if the answer is complete, whatever else the server means to send."""
        return self.done or self._partial.finished

    def feed(self, piece: bytes) -> None:
        """Take in a piece."""
        if self._events is not None:
            self._take(self._events.feed(piece))
            return
        self._body += piece
        start = bytes(self._body[:64]).lstrip()
        if len(start) > len(b"event:") and start.startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
            self._events = Events()
            self._take(self._events.feed(bytes(self._body)))

    def finish(self) -> Answer:
        """The answer, after the last piece."""
        if self._events is None:
            self._add(bytes(self._body).decode(errors="replace"))
        elif not self.done:
            self._take(self._events.finish())
            if not self.whole:
                raise PassingFailure(
                    f"The stream of the model's server at {self._where.url} broke off in the middle of an answer.",
                    "Check the server's own log.",
                    answered=True,
                )
        return self.answer()

    def answer(self) -> Answer:
        """What came so far, as the answer."""
        answer = self._partial.answer()
        if answer is None:
            shown = scrub(bytes(self._body[:4000]).decode(errors="replace"), self._where.secrets)
            raise ModelError(
                f"The model's server at {self._where.url} sent an answer without a message: {shown}", _CHECK
            )
        return answer

    def _take(self, events: Iterable[str]) -> None:
        for data in events:
            if data.strip() == _DONE:
                self.done = True
                return
            self._add(data)

    def _add(self, text: str) -> None:
        shown = scrub(text[:4000], self._where.secrets)
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise PassingFailure(
                f"The model's server at {self._where.url} sent something that is not JSON: {shown or '(nothing)'}",
                _CHECK,
                answered=True,
            ) from None
        if isinstance(data, dict) and (fault := fault_of(data)):
            raise judged(fault, self._where, streaming=self._events is not None)
        if not isinstance(data, dict) or not self._partial.add(data):
            raise ModelError(f"The model's server at {self._where.url} sent JSON that is no answer: {shown}", _CHECK)
