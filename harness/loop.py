"""The search: ask, judge what comes back, keep or revert; stage after stage, each ask and each step saved at once.

While the evaluator is busy with one candidate the next ones are being written: as many asks may be open as the desk has
room for. Answers are seen to one at a time, in the order in which they came, and that order is the log.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from candidates.store import Ask, RunRecord, Step
from evaluator.errors import HarnessError, OracleError
from evaluator.verdict import Status, Verdict
from harness.course import Course
from harness.decisions import Decision
from harness.engine import asking, desks, steps
from harness.engine.contexts import Contexts
from harness.engine.ledger import Ledger
from harness.engine.log import Log
from harness.engine.outcomes import Outcome, Outcomes
from harness.engine.planning import Planner
from harness.evaluation import Judge
from harness.incumbents import Incumbents
from harness.llm.budget import Spent
from harness.llm.faults import CallFailed
from harness.progress import Progress
from harness.proposers.base import Context, Metered, Proposal, Proposer
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


class Loop:
    """One run of the search, from wherever its log has brought it.

    Args:
        judge: gives verdicts; its settings and its store are the run's.
        proposer: whoever writes candidates.
        run: the record that the log belongs to.
        progress: told about every event.
        interrupted: asked before each ask whether the person wants to stop.
    """

    def __init__(
        self, judge: Judge, proposer: Proposer, run: RunRecord, progress: Progress, interrupted: Callable[[], bool]
    ) -> None:
        self.judge = judge
        self.settings = judge.settings
        self.store = judge.store
        self.proposer = proposer
        self.progress = progress
        self.interrupted = interrupted
        self.course = Course.of(self.settings)
        self.planner = Planner(self.settings, proposer)
        metrics = dict.fromkeys(metric for stage in self.settings.stages for metric in stage.metrics)
        self.incumbents = Incumbents(judge, tuple(metrics), progress.now)
        self.contexts = Contexts(self.settings, self.incumbents)
        self.outcomes = Outcomes(judge, self.incumbents, progress.now)
        self.log = Log(self.store, run.id)
        self.desk = desks.choose(proposer, self.settings, self.state.asks, self.log.keep)
        self.ledger = Ledger(self.settings.budget, desks.concurrency_of(self.settings))
        self.stuck: dict[int, str] = {}  # stages for which the strategy has nothing to ask -> why
        self.stopping = ""  # why nothing more is asked for
        self.failure: HarnessError | None = None  # the proposer's; raised when all that is in flight has been seen to
        self.machine_failures = 0
        self.stopwatch = steps.Stopwatch(judge)

    @property
    def state(self) -> State:
        """Where the run stands."""
        return self.log.state

    def run(self) -> Ending:
        """Evaluate the start, then work through the stages until their rounds, the budget or the person end it.

        Raises:
            HarnessError: the machine, the model's server or the store failed; every step before that is saved.
        """
        self.log.count_lost()
        self.begin()
        for index, stage in self.course.ahead(self.state):
            if reason := self.skipped(index, stage):
                self.progress.say(f"{stage.name} skipped: {reason}", "yellow")
                continue
            while not (over := self.over(index, stage)):
                if halted := self.turn(index, stage):
                    return Ending(False, halted)
            self.progress.say(f"{stage.name} ends: {over}", "dim")
        return Ending(True, "all stages are done" if self.state.current else self.nothing_works())

    def begin(self) -> None:
        """Evaluate the starting point, unless this run has done so."""
        source = self.settings.task.start
        if self.state.steps or not source:
            return
        self.progress.now("evaluating the starting point")
        judged = self.judge.judge(source, progress=self.progress.now)
        verdict = judged.verdict
        if verdict.status is Status.INFRA_ERROR:
            raise OracleError(f"the starting point could not be evaluated: {verdict.reason}", GO_ON)
        works = verdict.status is Status.VERIFIED
        decision = Decision("start", "") if works else Decision("failed", verdict.reason)
        origin = self.settings.origin
        begun = Proposal("fork", f"fork of {origin}") if origin else Proposal("task", "starting point")
        self.save(begun, Outcome(judged.digest, verdict, decision))

    def turn(self, index: int, stage: Stage) -> str:
        """Ask for as much as there is room for, then see to one answer.

        Returns:
            Why nothing more is asked for, once all that was asked for has been seen to.
        """
        halted = self.ask_ahead(index, stage)
        if self.desk.open:
            self.see_to(self.desk.take())
            return ""
        if self.failure is not None:
            raise self.failure
        return halted

    # What to do next.

    def skipped(self, index: int, stage: Stage) -> str:
        """Why this stage is not worth entering; the facts are looked at only if they matter."""
        current = self.state.current
        asked = stage.skip_when and current and not self.entered(index)
        facts = self.incumbents.facts(current, self.state.verdicts[current]) if asked else {}
        return self.course.skipped(index, stage, self.state, facts)

    def over(self, index: int, stage: Stage) -> str:
        """Why this stage ends here; empty as long as it goes on, or an answer or a repair is due in it."""
        return "" if self.state.pending or self.broken(index) else self.closed(index, stage)

    def closed(self, index: int, stage: Stage) -> str:
        """Why no further proposal is asked for in this stage; empty if one is."""
        stuck = self.stuck.get(index, "") or (self.state.exhausted if self.entered(index) else "")
        return stuck or self.course.over(index, stage, self.state) or self.without_headroom(stage)

    def without_headroom(self, stage: Stage) -> str:
        """Why what the current code was measured to reach leaves this stage nothing to gain; empty if it may."""
        current = self.state.verdicts.get(self.state.current)
        known = self.incumbents.standing(self.state.current, current).facts if current else {}
        return headroom.stop(known, stage, self.settings.search.min_gain)

    def entered(self, index: int) -> bool:
        """Whether the run is in this stage."""
        return self.course.position(self.state) == index

    def broken(self, index: int) -> Step | None:
        """The failed step of this stage that is to be repaired next."""
        return self.state.broken(self.settings.search.repairs) if self.entered(index) else None

    def halted(self) -> str:
        """Why nothing more is asked for, to be gone on with later; empty if it needn't be."""
        if not self.stopping and self.interrupted():
            self.stopping = "interrupted"
        return self.stopping or self.ledger.limits.exhausted(self.spent())

    def spent(self) -> Spent:
        """What the run has used until now."""
        return self.state.spent + Spent(minutes=self.stopwatch.wall_s / 60)

    def nothing_works(self) -> str:
        """The last word of a run in which no candidate verified."""
        first = self.state.steps[0] if self.state.steps else None
        start = f"the starting point failed: {first.note}" if first and first.kind == "start" else "there is no start"
        return f"no candidate works ({start})"

    # Asking.

    def ask_ahead(self, index: int, stage: Stage) -> str:
        """Put asks on the desk as long as it has room, those first that earlier invocations lost.

        Returns:
            Why no more of them are put there although there is room; empty if there is nothing to ask at present.
        """
        while self.desk.has_room():
            waiting = self.log.unanswered
            if not waiting and not self.desk.is_due(self.state):
                return ""
            if halted := self.halted():
                return halted
            ask, before = waiting[0] if waiting else (self.next_ask(index, stage), self.state)
            if ask is None:
                return ""
            if refused := self.put(ask, self.contexts.context(before, ask, stage)):
                return refused
        return ""

    def next_ask(self, index: int, stage: Stage) -> Ask | None:
        """A repair that is due, or else the strategy's next plan; None if an answer must come first."""
        if broken := self.broken(index):
            return asking.repair(self.state, broken)
        if self.closed(index, stage):
            return None
        entered = self.entered(index)
        plan = self.planner.plan(self.state, stage, entered)
        if plan is not None:
            return asking.proposal(self.state, plan, stage, self.course.next_round(index, self.state), entered)
        if not self.state.pending:
            self.stuck[index] = "the strategy has nothing left to ask"
        return None

    def put(self, ask: Ask, context: Context) -> str:
        """Save an ask and put it on the desk, unless its worst case could pass a bound of the budget: which one."""
        claim, kept = self.judging(), self.log.kept(ask)
        if kept is None:  # what was kept is paid for
            worst = self.proposer.worst(context) if isinstance(self.proposer, Metered) else Spent()
            claim = claim + worst
            if refused := self.ledger.refusal(self.spent(), claim):
                return refused
            ask = ask.model_copy(update={"reserved": asking.use(worst), "open": True})
        self.log.ask(ask)
        left = self.ledger.hold(ask.number, self.spent(), claim)
        self.desk.put(ask, replace(context, left_usd=left), kept)
        what = "repair" if ask.kind == "repair" else "proposal"
        self.progress.now(f"{ask.stage} {ask.round}: {what} by {self.proposer.name}")
        self.progress.flight(self.desk.open, self.desk.answered)
        return ""

    def judging(self) -> Spent:
        """What judging one more candidate may take: of a GPU, as long as the longest evaluation of this run took."""
        longest = max((step.gpu_seconds for step in self.state.steps), default=0.0)
        return Spent(evaluations=1, gpu_seconds=longest)

    # Answers.

    def see_to(self, answer: desks.Answer) -> None:
        """Judge what was proposed and save the step. After an error nothing more is asked for."""
        self.ledger.release(answer.ask.number)
        self.progress.flight(self.desk.open, self.desk.answered)
        if answer.error is not None:
            failed = answer.error
            self.log.close(answer.ask, asking.use(failed.spent if isinstance(failed, CallFailed) else Spent()))
            self.failure = self.failure or answer.error
            self.stopping = self.failure.problem
            return
        proposal = answer.proposal
        if proposal is None:
            declined = Outcome("", None, Decision("declined", answer.reason))
            self.save(Proposal(self.proposer.name, ""), declined, answer)
            return
        outcome = self.outcomes.outcome(proposal, answer.context, self.state)
        self.save(proposal, outcome, answer)
        self.watch_machine(outcome.verdict)

    def watch_machine(self, verdict: Verdict | None) -> None:
        """Give up when the machine, not the candidates, keeps failing."""
        if verdict is None or verdict.status is not Status.INFRA_ERROR:
            self.machine_failures = 0
            return
        self.machine_failures += 1
        if self.machine_failures >= MACHINE_FAILURES:
            raise OracleError(f"{self.machine_failures} evaluations in a row failed: {verdict.reason}", GO_ON)

    def save(self, proposal: Proposal, outcome: Outcome, answer: desks.Answer | None = None) -> None:
        """Add the step to the log and show it; without an answer it is the start."""
        step = steps.step(self.store, len(self.state.steps), proposal, outcome, answer)
        wall_s, busy_s = round(self.stopwatch.wall_s, 3), round(self.stopwatch.busy_s, 3)
        times = {
            "seconds": wall_s,
            "evaluation_seconds": busy_s,
            "gpu_seconds": busy_s if self.settings.device else 0.0,
        }
        step = step.model_copy(update=times)
        self.log.step(step)
        self.stopwatch.restart()
        self.progress.recorded(step, self.state)
