"""Where a run stands: a fold over its log of asks and steps, and nothing besides.

The loop saves an ask or a step and folds it in here. A run that is resumed folds the same log from the store, so it
goes on exactly as it would have without the interruption; there is no second place to keep in agreement. In a log from
before there were asks, each step stands for its own ask as well.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from types import MappingProxyType

from candidates.store import Ask, Step, Use
from evaluator.verdict import Status, Verdict
from harness.decisions import repairable
from harness.llm.budget import Spent
from harness.proposers.base import Attempt

PROGRESS = ("kept", "nominated")
Event = Ask | Step


def cost(step: Step) -> Spent:
    """What one step used. A refusal by a static rule is no evaluation: nothing was run."""
    verdict = step.verdict
    evaluated = verdict is not None and step.candidate and verdict.status is not Status.RULE_VIOLATION
    return Spent(
        usd=step.usd,
        tokens=step.prompt_tokens + step.completion_tokens,
        calls=step.calls,
        minutes=step.seconds / 60,
        evaluations=1 if evaluated else 0,
        gpu_seconds=step.gpu_seconds,
    )


def spending(use: Use) -> Spent:
    """What a proposer used, as a part of what a run spends."""
    return Spent(usd=use.usd, tokens=use.tokens, calls=use.calls)


def in_order(asks: Iterable[Ask], steps: Iterable[Step]) -> Iterator[Event]:
    """Asks and steps as the one log that they are: each ask before the step whose place it names."""
    waiting = list(asks)[::-1]
    for step in steps:
        while waiting and waiting[-1].after <= step.index:
            yield waiting.pop()
        yield step
    yield from reversed(waiting)


@dataclass(frozen=True)
class State:
    """Everything that decides what a run does next.

    `current` is the code to beat: the incumbent or, where nothing can be measured, the candidate last nominated; empty
    as long as nothing works. `stages` are the stages in which something was asked for, in order, a stage entered twice
    appearing twice. `answers` holds the step that answered an ask, by the ask's number.
    """

    steps: tuple[Step, ...] = ()
    asks: tuple[Ask, ...] = ()
    answers: Mapping[int, Step] = field(default_factory=lambda: MappingProxyType({}))
    current: str = ""
    verdicts: Mapping[str, Verdict] = field(default_factory=lambda: MappingProxyType({}))
    stages: tuple[str, ...] = ()
    round: int = 0  # last asked for in the last stage; 0 before its first proposal
    answered: int = 0  # proposals of the last stage that were answered
    idle: int = 0  # of these, since something was kept or nominated
    exhausted: str = ""  # why the proposer has nothing left for the last stage
    paid: Spent = Spent()  # by the steps; see `spent`

    @classmethod
    def from_log(cls, steps: Iterable[Step], asks: Iterable[Ask] = ()) -> "State":
        """The state after this log."""
        return reduce(cls.after, in_order(asks, steps), cls())

    def after(self, event: Event) -> "State":
        """The state after one more event."""
        if isinstance(event, Ask):
            return self._asked(event)
        if event.kind != "start" and event.ticket is None:
            implied = self._implied(event)
            return self._asked(implied)._told(event.model_copy(update={"ticket": implied.number}))
        return self._told(event)

    def changed(self, ask: Ask) -> "State":
        """The state with what became of the attempts at an ask that it holds."""
        return replace(self, asks=tuple(ask if known.number == ask.number else known for known in self.asks))

    def _asked(self, ask: Ask) -> "State":
        state = replace(self, asks=(*self.asks, ask))
        if ask.visit >= len(self.stages):
            state = replace(state, stages=(*self.stages, ask.stage), answered=0, idle=0, exhausted="")
        return replace(state, round=ask.round) if ask.kind == "proposal" else state

    def _told(self, step: Step) -> "State":
        verdicts = self.verdicts
        if step.candidate and step.verdict is not None:
            verdicts = MappingProxyType({**verdicts, step.candidate: step.verdict})
        works = step.decision in (*PROGRESS, "start")
        state = replace(
            self,
            steps=(*self.steps, step),
            current=step.candidate if works else self.current,
            verdicts=verdicts,
            paid=self.paid + cost(step),
        )
        if step.ticket is None:
            return state
        state = replace(state, answers=MappingProxyType({**self.answers, step.ticket: step}))
        return state._counted(step)

    def _counted(self, step: Step) -> "State":
        proposed = step.kind == "proposal"
        if step.decision == "declined":
            return replace(self, exhausted=step.note) if proposed else self
        idle = 0 if step.decision in PROGRESS else self.idle + proposed
        return replace(self, answered=self.answered + proposed, idle=idle)

    def _implied(self, step: Step) -> Ask:
        # Rounds of a stage only count up: a proposal in an earlier or the same round is of the next stage of that name.
        counted = step.kind == "repair" or step.round > self.round
        entered = not self.stages or self.stages[-1] != step.stage or not counted
        return Ask(
            number=self.next_number,
            after=step.index,
            stage=step.stage,
            visit=len(self.stages) - (not entered),
            round=step.round,
            kind=step.kind,
            mends=self.next_number - 1 if step.kind == "repair" else None,
            operator="repair" if step.kind == "repair" else "improve",
            parent=step.parent,
            open=False,
        )

    @property
    def next_number(self) -> int:
        """The number of the next ask."""
        return len(self.asks)

    @property
    def pending(self) -> tuple[Ask, ...]:
        """Asks that have no answer yet."""
        return tuple(ask for ask in self.asks if ask.number not in self.answers)

    @property
    def spent(self) -> Spent:
        """What the run has used, with what lost attempts may have cost; without what is in flight."""
        waiting = (spending(ask.reserved) for ask in self.pending if ask.arrived)
        return sum((*waiting, *(spending(ask.lost) for ask in self.asks)), self.paid)

    @property
    def seen(self) -> frozenset[str]:
        """Digests of all candidates that there is an answer on; a failure of the machine is none."""
        return frozenset(d for d, verdict in self.verdicts.items() if verdict.status is not Status.INFRA_ERROR)

    @property
    def verified(self) -> int:
        """How many different candidates verified."""
        return sum(1 for verdict in self.verdicts.values() if verdict.status is Status.VERIFIED)

    @property
    def history(self) -> tuple[Attempt, ...]:
        """All proposals and what came of them; a duplicate is told with the verdict of its original."""
        attempts = []
        for step in self.steps:
            verdict = step.verdict or self.verdicts.get(step.candidate)
            if step.kind != "start" and verdict is not None:
                attempts.append(Attempt(step.candidate, step.change, verdict, step.decision in PROGRESS, step.note))
        return tuple(attempts)

    @property
    def board(self) -> tuple[Attempt, ...]:
        """Every candidate that is right, the start included, in the order in which they were found."""
        found: dict[str, Attempt] = {}
        for step in self.steps:
            verdict = self.verdicts.get(step.candidate)
            if verdict is not None and verdict.status is Status.VERIFIED and step.candidate not in found:
                kept = step.decision in (*PROGRESS, "start")
                found[step.candidate] = Attempt(step.candidate, step.change, verdict, kept)
        return tuple(found.values())

    def origin(self, digest: str) -> str:
        """The candidate that this one was made from; empty if it has none, or was made from nothing."""
        return next((step.parent for step in self.steps if digest and step.candidate == digest), "")

    def broken(self, repairs: int) -> Step | None:
        """The earliest failure that is still to be repaired: each proposal has so many attempts at it.

        Repairs go before proposals, so what failed before the last proposal was asked for is settled.
        """
        mended = {ask.mends for ask in self.asks}
        settled = max((ask.after for ask in self.asks if ask.kind == "proposal"), default=0)
        for number, step in self.answers.items():
            failed = self._failed(step)
            due = failed and number not in mended and step.index >= settled
            if due and self._attempts(number) < repairs:
                return step
        return None

    def _failed(self, step: Step) -> bool:
        """Whether a step left something to repair: a failure, or as a repair the code that had failed once more."""
        verdict = step.verdict or self.verdicts.get(step.candidate)
        same = step.kind == "repair" and step.decision == "duplicate"
        return (step.decision == "failed" or same) and verdict is not None and repairable(verdict)

    def proposal(self, number: int) -> Ask:
        """The proposal that an ask is about: itself, or what it repairs."""
        ask = self.asks[number]
        return ask if ask.mends is None else self.proposal(ask.mends)

    def _attempts(self, number: int) -> int:
        mends = self.asks[number].mends
        return 0 if mends is None else 1 + self._attempts(mends)

    def position(self, stages: Sequence[str]) -> int:
        """Index of the stage this run is in, among the stages it was given; -1 before the first."""
        index = -1
        for name in self.stages:
            index = next((i for i in range(index + 1, len(stages)) if stages[i] == name), index)
        return index
