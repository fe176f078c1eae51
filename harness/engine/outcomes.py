"""From a proposal to a decision: extract the code, recognise duplicates, judge, compare with the code to beat."""

from collections.abc import Callable
from dataclasses import dataclass

from candidates import extract, identity
from evaluator.verdict import Evidence, Status, Verdict
from harness.decisions import Decision, decide
from harness.evaluation import Judge
from harness.incumbents import Incumbents
from harness.proposers.base import Context, Proposal
from harness.state import State
from prompts.stages import Stage


@dataclass(frozen=True)
class Outcome:
    """What a proposal came to."""

    candidate: str  # digest; empty if there was no code
    verdict: Verdict | None  # None for a duplicate, and where nothing was proposed
    decision: Decision


class Outcomes:
    """Finds out what proposals come to. `tell` hears what is being done."""

    def __init__(self, judge: Judge, incumbents: Incumbents, tell: Callable[[str], None]) -> None:
        self.judge = judge
        self.settings = judge.settings
        self.incumbents = incumbents
        self.tell = tell

    def outcome(self, proposal: Proposal, context: Context, state: State) -> Outcome:
        """What becomes of a proposal that was made for `context`, as the run stands now."""
        source, problem = proposal.source, proposal.problem
        if source is None and not problem:
            broken = context.failure.source if context.failure else ""
            extraction = extract.extract(proposal.reply or "", current=broken or context.source)
            source, problem = extraction.source, extraction.problem
        if source is None:
            return Outcome("", self._no_code(problem), Decision("failed", problem))
        digest = identity.digest(source)
        if digest in state.seen:
            return Outcome(digest, None, Decision("duplicate", "the same code was judged before"))
        return self._judged(source, context.stage, state)

    def _judged(self, source: str, stage: Stage, state: State) -> Outcome:
        """The verdict on new code, and what follows from it against the code to beat."""
        current = state.current
        verdict = state.verdicts.get(current)
        opponent = self.incumbents.opponent(current, verdict) if verdict else None
        judged = self.judge.judge(source, incumbent=opponent, progress=self.tell)
        decision = decide(
            self.incumbents.standing(judged.digest, judged.verdict),
            self.incumbents.standing(current, verdict) if verdict else None,
            stage.section(self.settings.task.category),
            self.settings.search,
        )
        return Outcome(judged.digest, judged.verdict, decision)

    def _no_code(self, problem: str) -> Verdict:
        return Verdict(
            status=Status.EXTRACT_ERROR,
            reason=problem,
            task=self.settings.task.name,
            device=self.judge.device,
            evidence=Evidence(target=self.settings.gpu.title),
        )
