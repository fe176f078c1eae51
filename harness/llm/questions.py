"""What a model is asked: everything that determines an answer, and the hash of it."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Message:
    """One turn of the conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class Question:
    """One request, in the terms of no particular interface.

    `sample` tells equal questions apart that are meant to be answered anew; it is sent nowhere.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None
    sample: int = 0

    @property
    def text(self) -> str:
        """Everything that the model reads, for counting."""
        return "\n".join(message.text for message in self.messages)

    def followed_by(self, *messages: Message) -> "Question":
        """The same conversation, some turns later."""
        return replace(self, messages=(*self.messages, *messages))

    def as_json(self, url: str, api: str) -> str:
        """Canonical JSON of the question and of whom it is put to; `url` is one that is safe to show."""
        return json.dumps({"url": url, "api": api, **asdict(self)}, sort_keys=True, ensure_ascii=False)


def key_of(text: str) -> str:
    """The hash (64 hex digits) that an exchange is found again by, of `Question.as_json`."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
