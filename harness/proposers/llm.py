"""The llm proposer: renders the prompt, asks the model, hands on what it said. A repair takes two questions."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol

from candidates import reasoning
from harness.llm.answers import Reply
from harness.llm.budget import Spent
from harness.llm.client import ModelClient
from harness.llm.faults import CallFailed, PromptTooLong
from harness.llm.text import one_line
from harness.proposers.base import Context, Cost, Exchange, Proposal
from prompts.parts import OPTIONAL
from prompts.quoting import CLIPPED
from prompts.stages import Stage

_UNNAMED = "model reply"
_CUT = "The reply was cut off at its length limit, so it was not evaluated (llm.max_tokens allows longer ones)."
_WITHHELD = "The model's server withheld the reply, or a part of it"
_CHANGE = 100  # characters
_THINKING = ("think", "thinking", "reasoning")
_MARKS = "#*_>-–•` \t"


class Render(Protocol):
    """Makes the prompt of a context."""

    def __call__(self, context: Context, omit: Collection[str] = (), analyse: bool = False) -> str:
        """The prompt; without the parts named in `omit` (prompts.parts.OPTIONAL), where room is short.

        With `analyse` it asks what is wrong with the context's failure, and for no code.
        """
        ...


class LlmProposer:
    """Asks the model; it never runs out of proposals by itself.

    A proposal is one request. A repair is two: what is wrong, then the code that mends it, asked with that answer. A
    prompt that is too long for the model is asked again without its optional parts, one more each time.

    Args:
        client: where the model is.
        render: makes the prompt of a context.
        analysis: whether a failure is analysed before its repair is asked for.
    """

    name = "llm"

    def __init__(self, client: ModelClient, render: Render, analysis: bool = True) -> None:
        self._client = client
        self._render = render
        self._analysis = analysis

    def why_not(self, stage: Stage) -> str:
        """A model can be asked in any stage."""
        return ""

    def close(self) -> None:
        """Give up what is in flight, and the connections."""
        self._client.close()

    def worst(self, context: Context) -> Spent:
        """What replies of the greatest length cost; `usd` is None if the price is not known."""
        model = context.plan.model
        if not self._analyses(context):
            return self._client.worst(self._render(context), model)
        longest = _analysed(context, "x" * (CLIPPED + 1))
        analysis = self._client.worst(self._render(context, analyse=True), model)
        return analysis + self._client.worst(self._render(longest), model)

    def propose(self, context: Context) -> Proposal | None:
        """One reply that should hold code; for a failure after a reply that says what is wrong.

        Raises:
            ModelError: the server refuses, can't be reached, or kept failing.
        """
        if not self._analyses(context):
            return self._proposal(context)
        try:
            analysis = self._ask(context, analyse=True)
        except PromptTooLong as error:
            return self._unanswered(context, error)
        try:
            proposal = self._proposal(_spent(_analysed(context, finding(analysis.reply.text)), analysis.reply.usd))
        except CallFailed as failed:
            paid = _cost(analysis.reply).spent() + failed.spent
            raise CallFailed(failed.problem, failed.remedy, paid) from failed
        notes = dict.fromkeys(note for note in (*analysis.notes, proposal.note) if note)
        exchange = Exchange(analysis.prompt, analysis.reply.text)
        return replace(proposal, analysis=exchange, note="; ".join(notes), cost=_cost(analysis.reply) + proposal.cost)

    def _analyses(self, context: Context) -> bool:
        return self._analysis and context.failure is not None

    def _proposal(self, context: Context) -> Proposal:
        try:
            asked = self._ask(context)
        except PromptTooLong as error:
            return self._unanswered(context, error)
        reply = asked.reply
        return Proposal(
            proposer=self.name,
            change=summarise(reply.text),
            prompt=asked.prompt,
            reply=reply.text,
            problem=_problem(reply),
            note="; ".join(asked.notes),
            model=one_line(reply.model),
            cost=_cost(reply),
        )

    def _unanswered(self, context: Context, error: PromptTooLong) -> Proposal:
        """No reply: even what can't be left out is too long for the model."""
        problem = f"{error.problem} {error.remedy}"
        prompt = self._render(context, OPTIONAL)
        return Proposal(self.name, "no reply", prompt=prompt, problem=problem, model=context.plan.model)

    def _ask(self, context: Context, analyse: bool = False) -> "_Asked":
        """The reply to the longest prompt that fits.

        Raises:
            PromptTooLong: none does.
            ModelError: the server refuses, can't be reached, or kept failing.
        """
        left_out: list[str] = []
        prompt = self._render(context, analyse=analyse)
        while True:
            try:
                plan = context.plan
                reply = self._client.complete(prompt, context.left_usd, model=plan.model, sample=plan.sample)
            except PromptTooLong:
                prompt = self._shorter(context, left_out, prompt, analyse)
                if not prompt:
                    raise
            else:
                short = f"left out of the prompt, which was too long: {', '.join(left_out)}" if left_out else ""
                return _Asked(prompt, reply, tuple(note for note in (short, *reply.notes) if note))

    def _shorter(self, context: Context, left_out: list[str], prompt: str, analyse: bool) -> str:
        """The prompt without one more part, whose name is added to `left_out`; empty if there is none left."""
        for part in OPTIONAL:
            if part not in left_out:
                shorter = self._render(context, (*left_out, part), analyse)
                if len(shorter) < len(prompt):
                    left_out.append(part)
                    return shorter
        return ""


@dataclass(frozen=True)
class _Asked:
    """A prompt as it was sent, the reply, and what a person should know about them."""

    prompt: str
    reply: Reply
    notes: tuple[str, ...]


def _problem(reply: Reply) -> str:
    """Why a reply must not be evaluated, whatever it holds; empty if it may."""
    if reply.truncated:
        return _CUT
    return f"{_WITHHELD} ({one_line(reply.finish_reason, 40)})." if reply.withheld else ""


def finding(reply: str) -> str:
    """What an analysis says, without how the model came to it; reasoning alone is better than nothing."""
    parts = reasoning.split(reply)
    return parts.answer.strip() or parts.reasoning.strip()


def _analysed(context: Context, analysis: str) -> Context:
    assert context.failure is not None
    return replace(context, failure=replace(context.failure, analysis=analysis))


def _spent(context: Context, usd: float | None) -> Context:
    """The context with less of the budget left."""
    left = context.left_usd
    return context if left is None or usd is None else replace(context, left_usd=max(0.0, left - usd))


def _cost(reply: Reply) -> Cost:
    return Cost(reply.prompt_tokens, reply.completion_tokens, reply.usd, reply.seconds, reply.attempts)


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
