"""The next plan of a run: what the strategy asks for, and who is to follow it."""

from harness.engine import views
from harness.proposers.base import Proposer
from harness.search import select
from harness.search.arms import Arms
from harness.search.base import Plan
from harness.search.plans import numbered
from harness.settings import Settings
from harness.state import State
from prompts.stages import Stage


class Planner:
    """Makes plans from a run's log, and keeps nothing of them.

    A recording itself knows who followed a plan; else it is for `search.arms` to choose.

    Raises:
        UsageError: there is no such strategy, or it is asked for something impossible.
    """

    def __init__(self, settings: Settings, proposer: Proposer) -> None:
        self.settings = settings
        self.strategy = select.strategy(settings.search)
        chosen = select.arms(settings.search, settings.llm.models)
        self.arms = proposer if isinstance(proposer, Arms) else chosen

    def plan(self, state: State, stage: Stage, entered: bool) -> Plan | None:
        """The next plan for a stage; None if an answer must come first. See `views.view`."""
        view = views.view(state, stage, entered, self.settings)
        plan = self.strategy.ask(view)
        if plan is None:
            return None
        return numbered(self.arms.choose(plan, stage.name, view.number, views.pulls(state)), view)
