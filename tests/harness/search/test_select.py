from dataclasses import dataclass

import pytest

from evaluator.errors import UsageError
from harness.search import select
from harness.search.arms import Bandit, Weights
from harness.search.base import Plan, View
from harness.search.select import STRATEGIES, Row
from harness.settings import SearchSettings


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_row_makes_a_strategy_that_asks(name: str) -> None:
    plan = select.strategy(SearchSettings(strategy=name)).ask(View(0, ""))
    assert plan is not None
    assert (plan.operator, plan.parent) == ("draft", "")


def test_a_new_strategy_is_a_class_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Stubborn:
        settings: SearchSettings

        def ask(self, view: View) -> Plan:
            return Plan("explore", "always")

    monkeypatch.setitem(STRATEGIES, "stubborn", Row(Stubborn, ("width",)))
    chosen = select.strategy(SearchSettings(strategy="stubborn", width=3))
    assert chosen.ask(View(0, "")) == Plan("explore", "always")


def test_an_unknown_strategy_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as refusal:
        select.strategy(SearchSettings(strategy="beem"))
    assert "beem" in refusal.value.problem
    assert "Did you mean beam?" in refusal.value.remedy


def test_what_a_strategy_does_not_heed_is_refused() -> None:
    with pytest.raises(UsageError, match=r"search\.width=4 has no meaning for search\.strategy=greedy") as refusal:
        select.strategy(SearchSettings(width=4))
    assert "beam" in refusal.value.remedy


@pytest.mark.parametrize("changes", [{"crossover": 0.2}, {"explore": 0.2}, {"arms": "bandit"}])
def test_rules_are_not_asked_for_what_takes_a_model(changes: dict[str, object]) -> None:
    search = SearchSettings.model_validate({"strategy": "evolution", **changes})
    for proposer in ("rules", "inductor"):
        with pytest.raises(UsageError, match=f"{proposer} proposer"):
            select.refuse_misfits(search, proposer)
    select.refuse_misfits(search, "llm")


def test_arms_by_name() -> None:
    assert select.arms(SearchSettings(), {"a": 1.0}) == Weights({"a": 1.0}, 0)
    assert select.arms(SearchSettings(arms="bandit", seed=3), {}) == Bandit({}, 3)
