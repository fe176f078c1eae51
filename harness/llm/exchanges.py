"""What was asked and answered, kept for good, and given again where that is wanted."""

from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from evaluator.errors import StoreError
from harness.llm.answers import Reply
from harness.llm.questions import Question, key_of

_REPLY = TypeAdapter(Reply)
_REUSED = "the reply is from the cache"


class Record(Protocol):
    """Where exchanges are kept (candidates.store.Store). Used by several threads at once."""

    def put_exchange(self, key: str, request: str, response: str) -> None:
        """Keep an exchange under the hash of what determines it."""
        ...

    def exchange(self, key: str) -> str | None:
        """The latest response that was kept under a key."""
        ...


class Exchanges:
    """The exchanges with one server.

    Args:
        record: where they are kept; None keeps nothing.
        url: the server, as it may be shown.
        api: the interface: chat or responses.
    """

    def __init__(self, record: Record | None, url: str, api: str) -> None:
        self._record = record
        self._url = url
        self._api = api

    def recall(self, question: Question) -> Reply | None:
        """The reply that was once given to this very question, at no cost; None if there is none.

        Raises:
            StoreError: the store fails, or what it holds is no reply.
        """
        text = self._record.exchange(key_of(question.as_json(self._url, self._api))) if self._record else None
        if text is None:
            return None
        try:
            return _REPLY.validate_json(text).reused(_REUSED)
        except ValidationError as error:
            raise StoreError(
                "A saved reply of a model can't be read: it was written by another version, or is damaged.",
                "llm.cache=false asks the model anew.",
            ) from error

    def keep(self, question: Question, reply: Reply) -> None:
        """Save an exchange.

        Raises:
            StoreError: the store fails.
        """
        if self._record is not None:
            request = question.as_json(self._url, self._api)
            self._record.put_exchange(key_of(request), request, _REPLY.dump_json(reply, indent=1).decode())
