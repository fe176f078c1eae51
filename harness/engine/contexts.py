"""What a proposer is shown of a run: made from the state in which something was asked, so that it can be made again."""

from candidates.store import Ask
from harness.engine import views
from harness.incumbents import Incumbents, findings_of
from harness.proposers.base import Context, Failure, Inspiration, Known
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
            before=self._before(state, shown),
            board=state.board,
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
        return tuple(
            Inspiration(self.store.source(digest), state.verdicts[digest], why(ask, digest))
            for digest in ask.inspirations
            if digest in state.verdicts
        )

    def _failure(self, state: State, ask: Ask) -> Failure | None:
        """The failed candidate that an ask is to mend, with its code and what was found in it."""
        broken = state.answers[ask.mends] if ask.mends is not None else None
        if broken is None or (verdict := broken.verdict or state.verdicts.get(broken.candidate)) is None:
            return None
        source = self.store.source(broken.candidate) if broken.candidate else ""
        return Failure(source, verdict, findings_of(verdict), broken.candidate)

    def _before(self, state: State, digest: str) -> Known | None:
        """What is known about the code that a candidate was made from."""
        origin = state.origin(digest)
        verdict = state.verdicts.get(origin)
        return Known(verdict, self.incumbents.known_profile(origin)) if verdict else None


def why(ask: Ask, digest: str) -> str:
    """Why a candidate is shown as an inspiration, in a clause."""
    if ask.operator == "crossover" and digest == ask.inspirations[0]:
        return "the current code is to be joined with it"
    return "it is among the best so far"
