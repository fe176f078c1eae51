"""The search: propose, judge, keep or revert; stage after stage, each step saved before the next begins."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from candidates import extract, identity
from candidates.store import RunRecord, Step
from evaluator.errors import OracleError
from evaluator.verdict import Evidence, Status, Verdict
from harness.course import Course
from harness.decisions import Decision, decide
from harness.evaluation import Judge
from harness.incumbents import Incumbents, findings_of
from harness.llm.budget import limits
from harness.progress import Progress
from harness.proposers.base import Context, Failure, Metered, Proposal, Proposer
from harness.state import State
from prompts import headroom
from prompts.stages import Stage

MACHINE_FAILURES = 2  # infra_error verdicts in a row after which a run is given up
GO_ON = "What was found so far is saved; the same command goes on from there."


@dataclass(frozen=True)
class Ending:
    """Why the loop returned. A run that is not `finished` goes on with the same command."""

    finished: bool
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What a proposal came to."""

    candidate: str  # digest; empty if there was no code
    verdict: Verdict | None  # None for a duplicate
    decision: Decision


@dataclass(frozen=True)
class Place:
    """Where in the run a step belongs, and when it began (seconds on the monotonic clock)."""

    kind: Literal["start", "proposal", "repair"]
    stage: str
    round: int
    parent: str
    began: float


@runtime_checkable
class Explaining(Protocol):
    """A proposer that says, after it offered nothing, why."""

    reason: str


class Loop:
    """One run of the search, from wherever its recorded steps have brought it.

    Args:
        judge: gives verdicts; its settings and its store are the run's.
        proposer: whoever writes candidates.
        run: the record that steps are added to.
        progress: told about every event.
        interrupted: asked before each step whether the person wants to stop.
    """

    def __init__(
        self, judge: Judge, proposer: Proposer, run: RunRecord, progress: Progress, interrupted: Callable[[], bool]
    ) -> None:
        self.judge = judge
        self.settings = judge.settings
        self.store = judge.store
        self.proposer = proposer
        self.record = run
        self.progress = progress
        self.interrupted = interrupted
        self.course = Course.of(self.settings)
        self.budget = limits(self.settings.budget)
        metrics = dict.fromkeys(metric for stage in self.settings.stages for metric in stage.metrics)
        self.incumbents = Incumbents(judge, tuple(metrics), progress.now)
        self.state = State.from_steps(self.store.steps(run.id))
        self.exhausted: dict[int, str] = {}  # stages for which the proposer has nothing left -> why
        self.given_up: set[int] = set()  # failed steps that the proposer offers no repair for
        self.machine_failures = 0

    def run(self) -> Ending:
        """Evaluate the start, then work through the stages until their rounds, the budget or the person end it.

        Raises:
            HarnessError: the machine, the model's server or the store failed; every step before that is saved.
        """
        self.begin()
        for index, stage in self.course.ahead(self.state):
            if reason := self.skipped(index, stage):
                self.progress.say(f"{stage.name} skipped: {reason}", "yellow")
                continue
            while not (over := self.over(index, stage)):
                if halted := self.halted() or self.turn(index, stage):
                    return Ending(False, halted)
            self.progress.say(f"{stage.name} ends: {over}", "dim")
        return Ending(True, "all stages are done" if self.state.current else self.nothing_works())

    def begin(self) -> None:
        """Evaluate the starting point, unless this run has done so."""
        source = self.settings.task.start
        if self.state.steps or not source:
            return
        began = time.monotonic()
        self.progress.now("evaluating the starting point")
        judged = self.judge.judge(source, progress=self.progress.now)
        verdict = judged.verdict
        if verdict.status is Status.INFRA_ERROR:
            raise OracleError(f"the starting point could not be evaluated: {verdict.reason}", GO_ON)
        works = verdict.status is Status.VERIFIED
        decision = Decision("start", "") if works else Decision("failed", verdict.reason)
        origin = Proposal(proposer="task", change="starting point")
        self.save(origin, Outcome(judged.digest, verdict, decision), Place("start", "start", 0, "", began))

    def turn(self, index: int, stage: Stage) -> str:
        """One proposal, or one attempt to repair the last; judged, decided on and saved.

        Returns:
            Why nothing was asked for, if its cost could pass a bound of the budget; else nothing.
        """
        began = time.monotonic()
        broken = self.broken()
        number = self.state.round if broken else self.course.next_round(index, self.state)
        context = self.context(stage, number, broken)
        if reached := self.unaffordable(context):
            return reached
        self.progress.now(f"{stage.name} {number}: {'repair' if broken else 'proposal'} by {self.proposer.name}")
        proposal = self.proposer.propose(context)
        if proposal is None:
            self.declined(index, broken)
            return ""
        outcome = self.outcome(proposal, context)
        parent = (broken.candidate if broken else "") or self.state.current
        self.save(proposal, outcome, Place("repair" if broken else "proposal", stage.name, number, parent, began))
        self.watch_machine(outcome.verdict)
        return ""

    # What to do next.

    def skipped(self, index: int, stage: Stage) -> str:
        """Why this stage is not worth entering; the facts are looked at only if they matter."""
        current = self.state.current
        asked = stage.skip_when and current and self.course.position(self.state) != index
        facts = self.incumbents.facts(current, self.state.verdicts[current]) if asked else {}
        return self.course.skipped(index, stage, self.state, facts)

    def over(self, index: int, stage: Stage) -> str:
        """Why this stage ends here; empty as long as it goes on."""
        if self.course.position(self.state) == index and self.broken():
            return ""
        if over := self.course.over(index, stage, self.state):
            return over
        return self.exhausted.get(index, "") or self.without_headroom(stage)

    def without_headroom(self, stage: Stage) -> str:
        """Why what the current code was measured to reach leaves this stage nothing to gain; empty if it may."""
        current = self.state.verdicts.get(self.state.current)
        known = self.incumbents.standing(self.state.current, current).facts if current else {}
        return headroom.stop(known, stage, self.settings.search.min_gain)

    def halted(self) -> str:
        """Why the whole run stops here, to be gone on with later; empty if it needn't."""
        return "interrupted" if self.interrupted() else self.budget.exhausted(self.state.spent)

    def unaffordable(self, context: Context) -> str:
        """Which bound the next proposal could pass at its worst; empty if none."""
        if not isinstance(self.proposer, Metered):
            return ""
        return self.budget.reserve(self.state.spent, self.proposer.worst(context))

    def broken(self) -> Step | None:
        """The failed step that is to be repaired now."""
        step = self.state.broken(self.settings.search.repairs)
        return step if step is not None and step.index not in self.given_up else None

    def declined(self, index: int, broken: Step | None) -> None:
        """The proposer has no answer: to this failure, or for this stage at all."""
        if broken is not None:
            self.given_up.add(broken.index)
        else:
            why = self.proposer.reason if isinstance(self.proposer, Explaining) else ""
            self.exhausted[index] = why.rstrip(".") or f"the {self.proposer.name} proposer has nothing left to offer"

    def nothing_works(self) -> str:
        """The last word of a run in which no candidate verified."""
        first = self.state.steps[0] if self.state.steps else None
        start = f"the starting point failed: {first.note}" if first and first.kind == "start" else "there is no start"
        return f"no candidate works ({start})"

    # One proposal.

    def context(self, stage: Stage, number: int, broken: Step | None) -> Context:
        """What the proposer may look at."""
        state, current = self.state, self.state.current
        verdict = state.verdicts.get(current)
        return Context(
            task=self.settings.task,
            gpu=self.settings.gpu,
            stage=stage,
            round=number,
            digest=current,
            source=self.store.source(current) if current else "",
            verdict=verdict,
            profile=self.incumbents.profile(current, verdict) if verdict else None,
            facts=self.incumbents.facts(current, verdict) if verdict else {},
            history=state.history,
            seen=state.seen,
            failure=self.failure(broken) if broken else None,
            left_usd=self.left_usd(),
        )

    def left_usd(self) -> float | None:
        """Dollars that are left of the budget; None if it has no such bound."""
        bound, spent = self.settings.budget.usd, self.state.spent.usd
        return None if bound is None or spent is None else max(0.0, bound - spent)

    def failure(self, broken: Step) -> Failure | None:
        """The failed step with its code and what was found in it."""
        if broken.verdict is None:
            return None
        source = self.store.source(broken.candidate) if broken.candidate else ""
        return Failure(source, broken.verdict, findings_of(broken.verdict), broken.candidate)

    def outcome(self, proposal: Proposal, context: Context) -> Outcome:
        """From the proposal to a decision: extract the code, recognise duplicates, judge, compare."""
        source, problem = proposal.source, proposal.problem
        if source is None and not problem:
            broken_source = context.failure.source if context.failure else ""
            extraction = extract.extract(proposal.reply or "", current=broken_source or context.source)
            source, problem = extraction.source, extraction.problem
        if source is None:
            return Outcome("", self.no_code(problem), Decision("failed", problem))
        digest = identity.digest(source)
        if digest in self.state.seen:
            return Outcome(digest, None, Decision("duplicate", "the same code was judged before"))
        return self.judged(source, context.stage)

    def judged(self, source: str, stage: Stage) -> Outcome:
        """The verdict on new code and what follows from it."""
        current = self.state.current
        verdict = self.state.verdicts.get(current)
        opponent = self.incumbents.opponent(current, verdict) if verdict else None
        judged = self.judge.judge(source, incumbent=opponent, progress=self.progress.now)
        decision = decide(
            self.incumbents.standing(judged.digest, judged.verdict),
            self.incumbents.standing(current, verdict) if verdict else None,
            stage.section(self.settings.task.category),
            self.settings.search,
        )
        return Outcome(judged.digest, judged.verdict, decision)

    def no_code(self, problem: str) -> Verdict:
        """The verdict on a reply without code."""
        return Verdict(
            status=Status.EXTRACT_ERROR,
            reason=problem,
            task=self.settings.task.name,
            device=self.judge.device,
            evidence=Evidence(target=self.settings.gpu.title),
        )

    def watch_machine(self, verdict: Verdict | None) -> None:
        """Give up when the machine, not the candidates, keeps failing."""
        if verdict is None or verdict.status is not Status.INFRA_ERROR:
            self.machine_failures = 0
            return
        self.machine_failures += 1
        if self.machine_failures >= MACHINE_FAILURES:
            raise OracleError(f"{self.machine_failures} evaluations in a row failed: {verdict.reason}", GO_ON)

    def save(self, proposal: Proposal, outcome: Outcome, place: Place) -> None:
        """Add the step to the log, fold it into the state, show it."""
        cost, analysis = proposal.cost, proposal.analysis
        step = Step(
            index=len(self.state.steps),
            stage=place.stage,
            round=place.round,
            kind=place.kind,
            candidate=outcome.candidate,
            parent=place.parent,
            proposer=proposal.proposer,
            change=proposal.change,
            model=proposal.model,
            problem=proposal.problem,
            prompt=self.store.put_text(proposal.prompt) if proposal.prompt else "",
            reply=self.store.put_text(proposal.reply) if proposal.reply else "",
            analysis_prompt=self.store.put_text(analysis.prompt) if analysis else "",
            analysis_reply=self.store.put_text(analysis.reply) if analysis else "",
            prompt_tokens=cost.prompt_tokens,
            completion_tokens=cost.completion_tokens,
            usd=cost.usd,
            seconds=round(time.monotonic() - place.began, 3),
            calls=cost.calls,
            verdict=outcome.verdict,
            decision=outcome.decision.word,
            note="; ".join(note for note in (outcome.decision.note, proposal.note) if note),
        )
        self.store.add_step(self.record.id, step)
        self.state = self.state.after(step)
        self.progress.recorded(step, self.state)
