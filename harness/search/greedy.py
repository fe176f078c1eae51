"""Greedy: the best so far is improved, again and again."""

from collections import Counter

from harness.search.base import Operator, Plan, View


class Greedy:
    """Every plan starts from the current code; as long as nothing works, it asks for a draft."""

    def ask(self, view: View) -> Plan:
        """The next plan; the same question as before gets the next number of a sample."""
        operator: Operator = "improve" if view.current else "draft"
        asked = Counter((plan.operator, plan.parent) for plan in (*(told.plan for told in view.told), *view.pending))
        return Plan(operator, view.current, sample=asked[operator, view.current])
