"""From an answer and its outcome to the step that is saved."""

import time

from candidates.store import Ask, Step, Store
from harness.engine.desks import Answer
from harness.engine.outcomes import Outcome
from harness.evaluation import Judge
from harness.proposers.base import Proposal

START = Ask(number=-1, after=0, stage="start", round=0, kind="start", operator="")


class Stopwatch:
    """How long the run took since the step before, and how long the evaluator was busy in that time (seconds)."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._since = time.monotonic()
        self._busy_s = judge.busy_s

    @property
    def wall_s(self) -> float:
        """Wall time."""
        return time.monotonic() - self._since

    @property
    def busy_s(self) -> float:
        """In which the evaluator worked."""
        return self._judge.busy_s - self._busy_s

    def restart(self) -> None:
        """A step was saved."""
        self._since, self._busy_s = time.monotonic(), self._judge.busy_s


def step(store: Store, index: int, proposal: Proposal, outcome: Outcome, answer: Answer | None) -> Step:
    """The step for an answer, its texts saved, without the times; without an answer it is the start."""
    ask, cost, analysis = answer.ask if answer else START, proposal.cost, proposal.analysis
    return Step(
        index=index,
        ticket=ask.number if answer else None,
        stage=ask.stage,
        round=ask.round,
        kind=ask.kind,
        candidate=outcome.candidate,
        parent=ask.parent,
        proposer=proposal.proposer,
        change=proposal.change,
        model=proposal.model,
        operator=ask.operator,
        inspirations=ask.inspirations,
        island=ask.island,
        sample=ask.sample,
        problem=proposal.problem,
        prompt=store.put_text(proposal.prompt) if proposal.prompt else "",
        reply=store.put_text(proposal.reply) if proposal.reply else "",
        analysis_prompt=store.put_text(analysis.prompt) if analysis else "",
        analysis_reply=store.put_text(analysis.reply) if analysis else "",
        prompt_tokens=cost.prompt_tokens,
        completion_tokens=cost.completion_tokens,
        usd=cost.usd,
        calls=cost.calls,
        reply_seconds=round(answer.seconds, 3) if answer else 0.0,
        verdict=outcome.verdict,
        decision=outcome.decision.word,
        note="; ".join(note for note in (outcome.decision.note, proposal.note) if note),
    )
