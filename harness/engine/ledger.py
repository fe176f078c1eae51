"""What is set aside for asks that have no answer yet, so that a run stops before it would exceed its budget."""

from dataclasses import replace

from harness.llm.budget import AnyOf, Spent, limits
from harness.settings import BudgetSettings

NOTHING = Spent()


class Ledger:
    """Holds the worst case of every open ask against the budget; what it did not cost after all is free again.

    Dollars that nobody has claimed are shared among the places of a run's desk: an ask may use its share for retries
    (`Context.left_usd`), and all shares together never pass the bound.

    Args:
        budget: the bounds.
        places: how many asks may be open.
    """

    def __init__(self, budget: BudgetSettings, places: int) -> None:
        self.limits: AnyOf = limits(budget)
        self._usd = budget.usd
        self._places = places
        self._held: dict[int, Spent] = {}

    @property
    def held(self) -> Spent:
        """Everything that is set aside."""
        return sum(self._held.values(), NOTHING)

    def refusal(self, spent: Spent, worst: Spent) -> str:
        """Which bound another ask could pass at its worst; empty if none."""
        return self.limits.reserve(spent + self.held, worst)

    def hold(self, number: int, spent: Spent, worst: Spent) -> float | None:
        """Set aside what an ask may cost.

        Returns:
            The dollars that it may use, retries included; None if the budget has no such bound.
        """
        granted = None
        used = (spent + self.held).usd
        if self._usd is not None and used is not None and worst.usd is not None:
            share = (self._usd - used) / max(1, self._places - len(self._held))
            granted = max(worst.usd, share, 0.0)
        self._held[number] = worst if granted is None else replace(worst, usd=granted)
        return granted

    def release(self, number: int) -> None:
        """An ask has its answer: what it cost is counted where it is saved."""
        self._held.pop(number, None)
