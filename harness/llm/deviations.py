"""What a server does without: arguments that it refused once are not sent to it again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REFUSALS = (400, 422)  # statuses under which servers refuse an argument


@dataclass(frozen=True)
class Concession:
    """An argument that can be given up when a refusal speaks of it."""

    name: str
    argument: str  # as it was sent
    spoken_of: re.Pattern[str]
    note: str = ""  # for people, where giving it up changes the answers


CONCESSIONS = (
    # Newer models of OpenAI refuse the old name of the length limit; most other servers know only the old one.
    Concession("newer length limit", "max_tokens", re.compile("max_completion_tokens")),
    Concession("older length limit", "max_completion_tokens", re.compile("max_completion_tokens")),
    Concession(
        "no temperature", "temperature", re.compile("temperature"), "the model takes no temperature: its own was used"
    ),
    Concession("no usage", "stream_options", re.compile(r"stream_options|include_usage")),
    Concession("no store", "store", re.compile(r"\bstore\b")),
    Concession("no stream", "stream", re.compile(r"\bstream(ing)?\b", re.IGNORECASE)),
)
"""In the order in which they are looked for: "stream_options" speaks of no stream."""


def concede(message: str, sent: Mapping[str, Any], made: frozenset[str]) -> Concession | None:
    """What to give up after a refusal; None if it speaks of nothing that was sent, or that was given up before."""
    for concession in CONCESSIONS:
        if concession.argument in sent and concession.name not in made and concession.spoken_of.search(message):
            return concession
    return None
