"""The order of a run: which stages lie ahead, which are not worth entering, and when one is over.

All of it follows from the recorded steps and the settings, so that a resumed run takes the same course.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from evaluator.errors import UsageError
from harness.settings import SearchSettings, Settings
from harness.state import State
from prompts import conditions
from prompts.stages import Facts, Stage


def require_a_course(settings: Settings) -> None:
    """Refuse stages that no run can enter when their turn comes.

    Raises:
        UsageError: a stage that belongs to a failure is among them.
    """
    for stage in settings.stages:
        if stage.template not in ("optimize", "draft"):
            raise UsageError(
                f"Stage {stage.name} can't be asked for: a run enters it by itself after a failure.",
                "Name the stages that a failure may happen in, and how often it may be mended: search.repairs=N.",
            )


@dataclass(frozen=True)
class Course:
    """The stages that were asked for, and when each ends."""

    asked: tuple[Stage, ...]
    draft: Stage | None  # put first if there is no code that works and no draft was asked for
    search: SearchSettings

    @classmethod
    def of(cls, settings: Settings) -> "Course":
        """The course that these settings describe."""
        return cls(settings.stages, settings.draft, settings.search)

    def stages(self, state: State) -> tuple[Stage, ...]:
        """The stages of this run; before those asked for the one that drafts, if the start is missing or failed."""
        started = bool(state.steps) and state.steps[0].decision == "start"
        drafting = any(stage.template == "draft" for stage in self.asked)
        return self.asked if started or drafting or self.draft is None else (self.draft, *self.asked)

    def ahead(self, state: State) -> Iterator[tuple[int, Stage]]:
        """The stages from the one that the run is in, with their numbers."""
        yield from list(enumerate(self.stages(state)))[max(self.position(state), 0) :]

    def position(self, state: State) -> int:
        """Number of the stage that the run is in; -1 before its first proposal."""
        return state.position([stage.name for stage in self.stages(state)])

    def skipped(self, index: int, stage: Stage, state: State, facts: Facts) -> str:
        """Why this stage is not worth entering; empty if it is, or was entered before."""
        if self.position(state) == index:
            return ""
        if stage.template == "draft":
            return "there is code that works" if state.current and len(self.stages(state)) > 1 else ""
        if not state.current:
            return "there is no code that works yet"
        if stage.skip_when and conditions.evaluate(stage.skip_when, facts):
            return conditions.evidence(stage.skip_when, facts)
        return ""

    def over(self, index: int, stage: Stage, state: State) -> str:
        """Why this stage ends here; empty as long as it goes on. A repair that is due is not this function's matter."""
        if self.position(state) != index:
            return "" if self.search.rounds > 0 else "no rounds were asked for"
        if stage.template == "draft" and state.answered and state.idle == 0:
            return "there is a draft that works"
        if state.round >= self.search.rounds:
            return "all rounds are done"
        return f"no progress in {state.idle} rounds" if state.idle >= self.search.patience else ""

    def next_round(self, index: int, state: State) -> int:
        """The number of the next round of this stage, from 1."""
        return state.round + 1 if self.position(state) == index else 1
