"""The llm proposer: renders the prompt, asks the model, hands on what it said."""

from collections.abc import Collection
from typing import Protocol

from harness.llm.budget import Spent
from harness.llm.client import ModelClient
from harness.llm.text import one_line
from harness.proposers.base import Context, Cost, Proposal
from prompts.stages import Stage

_UNNAMED = "model reply"
_CUT = "The reply was cut off at its length limit."
_CHANGE = 100  # characters
_THINKING = ("think", "thinking", "reasoning")
_MARKS = "#*_>-–•` \t"


class Render(Protocol):
    """Makes the prompt of a context."""

    def __call__(self, context: Context, omit: Collection[str] = ()) -> str:
        """The prompt; without the parts named in `omit` (prompts.parts.OPTIONAL), where room is short."""
        ...


class LlmProposer:
    """Every call is one request to the model; it never runs out of proposals by itself.

    Args:
        client: where the model is.
        render: makes the prompt of a context.
    """

    name = "llm"

    def __init__(self, client: ModelClient, render: Render) -> None:
        self._client = client
        self._render = render

    def why_not(self, stage: Stage) -> str:
        """A model can be asked in any stage."""
        return ""

    def worst(self, context: Context) -> Spent:
        """What one reply of the greatest length costs; `usd` is None if the price is not known."""
        return self._client.worst(self._render(context))

    def propose(self, context: Context) -> Proposal | None:
        """One reply to one prompt.

        Raises:
            ModelError: the server refuses, can't be reached, or kept failing.
        """
        prompt = self._render(context)
        reply = self._client.complete(prompt, cap_usd=context.left_usd)
        cost = Cost(reply.prompt_tokens, reply.completion_tokens, reply.usd, reply.seconds, reply.attempts)
        return Proposal(
            proposer=self.name,
            change=summarise(reply.text),
            prompt=prompt,
            reply=reply.text,
            problem=_CUT if reply.truncated else "",
            model=one_line(reply.model),
            cost=cost,
        )


def summarise(reply: str) -> str:
    """The first sentence that the model writes outside of code and reasoning, in one short line for people."""
    for line in _prose(reply):
        sentence = one_line(line.strip(_MARKS), 10 * _CHANGE)
        if any(character.isalpha() for character in sentence) and not sentence.endswith(":"):
            first = sentence.partition(". ")[0].rstrip(".").replace("**", "").replace("`", "")
            return one_line(first, _CHANGE)
    return _UNNAMED


def _prose(reply: str) -> list[str]:
    """Lines that are neither fenced code nor inside reasoning tags; none if the reply is bare code."""
    for tag in _THINKING:
        before, opened, rest = reply.partition(f"<{tag}>")
        if opened:
            reply = before + rest.partition(f"</{tag}>")[2]
        elif f"</{tag}>" in reply:  # some chat templates put the opening tag into the prompt
            reply = reply.partition(f"</{tag}>")[2]
    lines, fenced = [], False
    for line in reply.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and line.startswith(("import ", "from ", "@", "def ", "class ", "<<<<", "====", ">>>>")):
            break
        elif not fenced:
            lines.append(line)
    return lines
