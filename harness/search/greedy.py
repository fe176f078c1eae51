"""Greedy: the best so far is improved, again and again."""

from dataclasses import dataclass

from harness.search.base import Plan, View
from harness.search.plans import inspired, numbered, starting_from
from harness.settings import SearchSettings


@dataclass(frozen=True)
class Greedy:
    """Every plan starts from the current code; as long as nothing works, it asks for a draft."""

    settings: SearchSettings = SearchSettings()

    def ask(self, view: View) -> Plan:
        """The next plan; there always is one."""
        plan = inspired(starting_from(view.current), view.members, self.settings.inspirations)
        return numbered(plan, view)
