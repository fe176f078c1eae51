import pytest

from harness.llm.budget import Spent, call_limit, limits, minute_limit, token_limit, usd_limit
from harness.settings import BudgetSettings


def test_nothing_is_exhausted_before_a_bound() -> None:
    budget = limits(BudgetSettings(usd=1.0, tokens=1000, calls=5, minutes=10.0, evaluations=3))

    assert budget.exhausted(Spent(usd=0.99, tokens=999, calls=4, minutes=9.9, evaluations=2)) == ""


@pytest.mark.parametrize(
    ("spent", "name"),
    [
        (Spent(usd=1.0), "budget.usd"),
        (Spent(tokens=1000), "budget.tokens"),
        (Spent(calls=6), "budget.calls"),
        (Spent(minutes=10.0), "budget.minutes"),
        (Spent(evaluations=3), "budget.evaluations"),
    ],
)
def test_a_bound_that_is_reached_is_named(spent: Spent, name: str) -> None:
    budget = limits(BudgetSettings(usd=1.0, tokens=1000, calls=5, minutes=10.0, evaluations=3))

    assert budget.exhausted(spent).startswith(name)


def test_no_bounds_never_stop() -> None:
    budget = limits(BudgetSettings(usd=None))

    assert budget.exhausted(Spent(usd=None, tokens=10**9)) == ""
    assert budget.reserve(Spent(usd=99.0), Spent(usd=99.0)) == ""


def test_a_step_must_fit_into_what_is_left() -> None:
    budget = usd_limit(1.0) | token_limit(10_000)

    assert budget.reserve(Spent(usd=0.75), Spent(usd=0.25)) == ""
    assert "$0.25 is left" in budget.reserve(Spent(usd=0.75), Spent(usd=0.26))
    assert "tokens" in budget.reserve(Spent(tokens=9_000), Spent(tokens=1_001))


def test_an_unknown_cost_can_not_be_held_against_a_cap() -> None:
    assert "not known" in usd_limit(1.0).exhausted(Spent(usd=None))
    assert "not known" in usd_limit(1.0).reserve(Spent(), Spent(usd=None))
    assert call_limit(3).reserve(Spent(usd=None), Spent(usd=None, calls=1)) == ""


def test_spending_adds_up_and_stays_unknown() -> None:
    total = Spent(usd=0.25, tokens=10, calls=1, minutes=0.5) + Spent(usd=0.5, tokens=5, calls=2, evaluations=1)

    assert total == Spent(usd=0.75, tokens=15, calls=3, minutes=0.5, evaluations=1)
    assert (total + Spent(usd=None) + Spent(usd=1.0)).usd is None


def test_joined_limits_join_further() -> None:
    budget = usd_limit(1.0) | call_limit(2) | minute_limit(3.0)

    assert "budget.minutes" in budget.exhausted(Spent(minutes=3.0))
