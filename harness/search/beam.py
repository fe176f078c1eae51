"""Beam: the best few are all kept, and improved in turn."""

from dataclasses import dataclass

from evaluator.errors import UsageError
from harness.search.base import Member, Plan, View
from harness.search.plans import asked, inspired, numbered, ranked, starting_from
from harness.settings import SearchSettings


@dataclass(frozen=True)
class Beam:
    """The `search.width` best members of the run are its beam; the one whose turn is longest past is improved next.

    The current code is always in the beam: that it is the best was decided on confidence, and fitness is an estimate.
    A member that enters the beam was never improved, so its turn comes next. The others of the beam are what a plan is
    inspired by.

    Raises:
        UsageError: the beam is wider than a stage has rounds.
    """

    settings: SearchSettings

    def __post_init__(self) -> None:
        if self.settings.width > self.settings.rounds:
            raise UsageError(
                f"search.width={self.settings.width} with search.rounds={self.settings.rounds}: not every member of "
                "the beam would have its turn.",
                "Keep a narrower beam (search.width) or ask for more rounds (search.rounds).",
            )

    def ask(self, view: View) -> Plan:
        """The next plan; there always is one, however much is pending."""
        beam = self.beam(view)
        if not beam:
            return numbered(starting_from(""), view)
        last = {plan.parent: turn for turn, plan in enumerate(asked(view))}
        parent = min(beam, key=lambda member: last.get(member.digest, -1))  # the best of several
        return numbered(inspired(starting_from(parent.digest), beam, self.settings.inspirations), view)

    def beam(self, view: View) -> tuple[Member, ...]:
        """The members that are kept, the current code first, then the best."""
        best = ranked(view.members)
        current = [member for member in best if member.digest == view.current]
        return (*current, *(member for member in best if member.digest != view.current))[: self.settings.width]
