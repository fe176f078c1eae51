"""Where a run stands: a fold over its ordered log of steps, and nothing besides.

The loop appends a step to the store and folds it in here. A run that is resumed folds the same steps from the store, so
it goes on exactly as it would have without the interruption; there is no second place to keep in agreement.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from types import MappingProxyType

from candidates.store import Step
from evaluator.verdict import Status, Verdict
from harness.decisions import repairable
from harness.llm.budget import Spent
from harness.proposers.base import Attempt

PROGRESS = ("kept", "nominated")


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
    )


@dataclass(frozen=True)
class State:
    """Everything that decides what a run does next.

    `current` is the code that the next proposal starts from: the incumbent or, where nothing can be measured, the
    candidate last nominated; empty as long as nothing works. `stages` are the stages in which something was proposed,
    in order, a stage entered twice appearing twice.
    """

    steps: tuple[Step, ...] = ()
    current: str = ""
    verdicts: Mapping[str, Verdict] = field(default_factory=lambda: MappingProxyType({}))
    stages: tuple[str, ...] = ()
    round: int = 0  # of the last stage; 0 before its first proposal
    idle: int = 0  # rounds of the last stage since something was kept or nominated
    repairs: int = 0  # attempts to repair in the last round
    spent: Spent = Spent()

    @classmethod
    def from_steps(cls, steps: Iterable[Step]) -> "State":
        """The state after these steps, in their order."""
        return reduce(cls.after, steps, cls())

    def after(self, step: Step) -> "State":
        """The state after one more step."""
        verdicts = self.verdicts
        if step.candidate and step.verdict is not None:
            verdicts = MappingProxyType({**verdicts, step.candidate: step.verdict})
        works = step.decision in (*PROGRESS, "start")
        state = replace(
            self,
            steps=(*self.steps, step),
            current=step.candidate if works else self.current,
            verdicts=verdicts,
            spent=self.spent + cost(step),
        )
        return state if step.kind == "start" else state._within_stage(step)

    def _within_stage(self, step: Step) -> "State":
        # Rounds of a stage only count up: a proposal in an earlier or the same round is of the next stage of that name.
        counted = step.kind == "repair" or step.round > self.round
        entered = not self.stages or self.stages[-1] != step.stage or not counted
        idle = 0 if entered else self.idle
        if step.kind == "proposal":
            idle += 1
        if step.decision in PROGRESS:
            idle = 0
        return replace(
            self,
            stages=(*self.stages, step.stage) if entered else self.stages,
            round=step.round,
            idle=idle,
            repairs=self.repairs + 1 if step.kind == "repair" else 0,
        )

    @property
    def last(self) -> Step | None:
        """The step recorded last."""
        return self.steps[-1] if self.steps else None

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
                attempts.append(Attempt(step.candidate, step.change, verdict, step.decision in PROGRESS))
        return tuple(attempts)

    def broken(self, repairs: int) -> Step | None:
        """The last step, if it is a failure that may still be repaired in this round."""
        step = self.last
        if step is None or step.kind == "start" or step.decision != "failed" or step.verdict is None:
            return None
        return step if self.repairs < repairs and repairable(step.verdict) else None

    def position(self, stages: Sequence[str]) -> int:
        """Index of the stage this run is in, among the stages it was given; -1 before the first."""
        index = -1
        for name in self.stages:
            index = next((i for i in range(index + 1, len(stages)) if stages[i] == name), index)
        return index
