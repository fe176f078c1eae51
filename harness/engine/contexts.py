"""What a proposer is shown of a run: made from the state in which something was asked, so that it can be made again."""

from candidates.store import Ask
from evaluator.verdict import Verdict
from harness.engine import views
from harness.incumbents import Incumbents, findings_of
from harness.proposers.base import Context, Failure, Inspiration
from harness.settings import Settings
from harness.state import State
from prompts.stages import Stage


class Contexts:
    """Makes contexts; profiles are taken where the store has none."""

    def __init__(self, settings: Settings, incumbents: Incumbents) -> None:
        self.settings = settings
        self.incumbents = incumbents
        self.store = incumbents.judge.store

    def context(self, state: State, ask: Ask, stage: Stage) -> Context:
        """What an ask shows, given the state before it."""
        shown = ask.parent if ask.mends is None else state.proposal(ask.mends).parent
        verdict = state.verdicts.get(shown)
        return Context(
            task=self.settings.task,
            gpu=self.settings.gpu,
            stage=stage,
            round=ask.round,
            digest=shown,
            source=self.store.source(shown) if shown else "",
            verdict=verdict,
            profile=self.incumbents.profile(shown, verdict) if verdict else None,
            facts=self.incumbents.facts(shown, verdict) if verdict else {},
            history=state.history,
            seen=state.seen,
            failure=self._failure(state, ask),
            plan=views.plan_of(ask),
            inspirations=self._inspirations(state, ask),
            ticket=ask.number,
            mends=ask.mends,
        )

    def _inspirations(self, state: State, ask: Ask) -> tuple[Inspiration, ...]:
        """The other candidates that an ask shows."""
        shown = [(digest, state.verdicts[digest]) for digest in ask.inspirations if digest in state.verdicts]
        return tuple(Inspiration(self.store.source(digest), verdict, why(verdict)) for digest, verdict in shown)

    def _failure(self, state: State, ask: Ask) -> Failure | None:
        """The failed candidate that an ask is to mend, with its code and what was found in it."""
        broken = state.answers[ask.mends] if ask.mends is not None else None
        if broken is None or broken.verdict is None:
            return None
        source = self.store.source(broken.candidate) if broken.candidate else ""
        return Failure(source, broken.verdict, findings_of(broken.verdict), broken.candidate)


def why(verdict: Verdict) -> str:
    """Why a candidate is shown as an inspiration, in a clause."""
    if verdict.time is not None:
        return f"it was measured at {verdict.time.median_ms:.4g} ms and goes about it in another way"
    return "it is right and goes about it in another way"
