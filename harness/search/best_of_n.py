"""Best of n: so many independent samples of the same parent, then the best becomes the parent."""

from dataclasses import dataclass

from evaluator.errors import UsageError
from harness.search.base import Plan, View
from harness.search.plans import asked, inspired, numbered, starting_from
from harness.settings import SearchSettings


@dataclass(frozen=True)
class BestOfN:
    """Generations of `search.width` plans that differ in the number of their sample only.

    All of a generation have the parent and the inspirations that were the best when it began, whatever its first
    answers are. The next one begins when every answer is there: with more requests in flight than a generation has
    plans, some have to wait.

    Raises:
        UsageError: a generation is longer than a stage.
    """

    settings: SearchSettings

    def __post_init__(self) -> None:
        if self.settings.width > self.settings.rounds:
            raise UsageError(
                f"search.width={self.settings.width} with search.rounds={self.settings.rounds}: a stage would end "
                "before all samples of its first parent are there.",
                "Ask for fewer samples (search.width) or for more rounds (search.rounds).",
            )

    def ask(self, view: View) -> Plan | None:
        """The next sample; None before the last answer of a generation that is complete."""
        plans = asked(view)
        # A generation begins when nothing is pending, so its plans are the last ones, whatever was answered first.
        begun = len(plans) % self.settings.width
        if begun:
            return numbered(Plan(plans[-1].operator, plans[-1].parent, plans[-1].inspirations), view)
        if view.pending:
            return None
        plan = inspired(starting_from(view.current), view.members, self.settings.inspirations)
        return numbered(plan, view)
