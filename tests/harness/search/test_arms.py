"""Who writes next: by weight, or by what each dollar was seen to buy."""

from collections import Counter

import pytest

from harness.search.arms import Arm, Bandit, Pull, Weights, believe, price
from harness.search.base import Plan
from tests.harness.search.landscape import Offer, pull_often

TWO = {"good": 1.0, "poor": 1.0}
IMPROVE = Plan("improve", "p")


def pull(model: str, gain: float = 0.0, stage: str = "tiling", **more: float) -> Pull:
    return Pull(Arm(model, "crossover", stage), gain, **{"usd": 0.01, "tokens": 1000, **more})  # type: ignore[arg-type]


def chosen(arms: Weights | Bandit, history: list[Pull], count: int = 400, stage: str = "tiling") -> Counter[str]:
    return Counter(arms.choose(Plan("crossover", "p"), stage, number, history).model for number in range(count))


def regret(offers: dict[str, Offer], pulls: int, seed: int) -> float:
    """The share of what the best arm would have gained for the same money that was missed, in expectation."""
    history = pull_often(Bandit(dict.fromkeys(offers, 1.0), seed), offers, pulls, seed=seed)
    worth = {name: offer.chance * offer.gain / (offer.usd or 1.0) for name, offer in offers.items()}
    spent = sum(each.usd or 1.0 for each in history)
    had = sum(worth[each.arm.model] * (each.usd or 1.0) for each in history)
    return 1 - had / (max(worth.values()) * spent)


def test_by_weight_each_model_is_asked_as_often_as_its_weight_says() -> None:
    assert chosen(Weights({"a": 3.0, "b": 1.0}, seed=0), [], 1000)["a"] == pytest.approx(750, abs=3)


@pytest.mark.parametrize("seed", range(4))
def test_every_stretch_of_plans_and_every_island_has_its_share_of_models(seed: int) -> None:
    weights = Weights({"a": 2.0, "b": 1.0}, seed)
    models = [weights.choose(IMPROVE, "grid", number, []).model for number in range(60)]
    assert all(3 <= models[first : first + 12].count("b") <= 5 for first in range(48))
    assert all(5 <= models[island::3].count("b") <= 9 for island in range(3))  # of 20


def test_one_model_needs_no_choice_and_no_name() -> None:
    assert Weights({}, 0).choose(IMPROVE, "grid", 0, []) == IMPROVE
    assert Weights({"a": 1.0}, 0).choose(IMPROVE, "grid", 0, []) == IMPROVE


def test_a_plan_that_names_its_model_keeps_it() -> None:
    named = Plan("crossover", "p", model="other")
    assert Weights(TWO, 0).choose(named, "grid", 0, []) == named
    assert Bandit(TWO, 0).choose(named, "grid", 0, [pull("good", 0.5)]) == named


@pytest.mark.parametrize("seed", range(5))
def test_the_better_model_is_found(seed: int) -> None:
    offers = {"good": Offer(0.5, 0.05), "poor": Offer(0.1, 0.05)}
    history = pull_often(Bandit(TWO, seed), offers, 200, seed=seed)
    late = Counter(each.arm.model for each in history[100:])
    assert late["good"] > 75
    assert regret(offers, 200, seed) < 0.25  # at random it would be 0.4


@pytest.mark.parametrize("seed", range(5))
def test_it_is_paid_by_the_dollar_so_a_cheap_model_may_be_the_better_one(seed: int) -> None:
    offers = {"good": Offer(0.3, 0.05, usd=0.01), "dear": Offer(0.5, 0.05, usd=0.1)}
    history = pull_often(Bandit(dict.fromkeys(offers, 1.0), seed), offers, 200, seed=seed)
    assert Counter(each.arm.model for each in history[100:])["good"] > 75


@pytest.mark.parametrize("seed", range(5))
def test_the_size_of_gains_does_not_matter_but_their_proportion(seed: int) -> None:
    small = {"good": Offer(0.5, 0.03), "poor": Offer(0.5, 0.006)}
    large = {"good": Offer(0.5, 0.5), "poor": Offer(0.5, 0.1)}
    first, second = (pull_often(Bandit(TWO, seed), offers, 100, seed=seed) for offers in (small, large))
    assert [each.arm for each in first] == [each.arm for each in second]
    assert Counter(each.arm.model for each in first[50:])["good"] > 35


def test_with_no_data_all_are_asked_alike() -> None:
    assert chosen(Bandit(TWO, seed=0), [])["good"] == pytest.approx(200, abs=30)  # three standard deviations


def test_after_failures_alone_all_are_asked_alike() -> None:
    counted = chosen(Bandit(TWO, seed=0), [pull("good"), pull("poor")] * 5)
    assert min(counted.values()) > 150


def test_a_model_that_always_fails_is_asked_less_and_less_and_one_day_tried_again() -> None:
    fails = [pull("poor"), pull("good", 0.05)]
    shares = [chosen(Bandit(TWO, seed=0), fails * times)["poor"] for times in (1, 2, 3)]
    assert 200 > shares[0] > shares[1] > shares[2] > 0
    long_ago = [*fails * 3, *[pull("good", 0.05), pull("good")] * 60]
    assert chosen(Bandit(TWO, seed=0), long_ago)["poor"] > 100


def test_what_lies_long_ago_counts_less() -> None:
    early = [pull("good", 0.05)] * 20 + [pull("poor")] * 20
    late = [*early, *[pull("good")] * 60, *[pull("poor", 0.05)] * 60]
    assert chosen(Bandit(TWO, seed=0), early)["good"] > 350
    assert chosen(Bandit(TWO, seed=0), late)["poor"] > 350


def test_other_stages_say_a_little() -> None:
    elsewhere = [pull("good", 0.05, stage="grid"), pull("poor", stage="grid")] * 5
    here, there = (chosen(Bandit(TWO, seed=0), elsewhere, stage=stage)["good"] for stage in ("tiling", "grid"))
    assert 220 < here < there


def test_improving_and_exploring_take_each_others_place() -> None:
    history = [Pull(Arm("", "explore", "grid"), 0.1, 0.01, 100), Pull(Arm("", "improve", "grid"), 0.0, 0.01, 100)] * 8
    plans = [Bandit({}, 0).choose(IMPROVE, "grid", number, history) for number in range(100)]
    assert Counter(plan.operator for plan in plans)["explore"] > 90
    assert {plan.model for plan in plans} == {""}
    assert Bandit({}, 0).choose(Plan("draft"), "grid", 0, history) == Plan("draft")


@pytest.mark.parametrize(
    ("pulls", "costs"),
    [
        ([pull("a", usd=0.02), pull("b", usd=0.01)], [0.02, 0.01]),
        ([pull("a", usd=0.02), pull("b", usd=0.0)], [1000.0, 1000.0]),  # b is free: a local model
        ([Pull(Arm("a", "draft", "s"), 0.0, None, 10), pull("b")], [10.0, 1000.0]),  # nobody knows what a costs
        ([pull("a", usd=0.0, tokens=0), pull("b", usd=0.0, tokens=5)], [1.0, 1.0]),  # nor how many tokens it takes
        ([pull("a", usd=0.02), pull("a", usd=0.0), pull("b", usd=0.04)], [0.02, 0.03, 0.04]),  # one from the cache
        ([], []),
    ],
)
def test_all_are_paid_in_the_same_money(pulls: list[Pull], costs: list[float]) -> None:
    assert price(pulls) == pytest.approx(costs)


def test_an_arm_nobody_pulled_costs_what_the_others_do() -> None:
    (belief,) = believe([pull("a", usd=0.02), pull("b", usd=0.04)], [Arm("c", "crossover", "tiling")])
    assert (belief.good, belief.bad, belief.cost) == (0.0, 0.0, pytest.approx(0.03))


def test_resumed_after_any_pull_it_chooses_as_before() -> None:
    offers = {"good": Offer(0.5, 0.05), "poor": Offer(0.2, 0.05)}
    history = pull_often(Bandit(TWO, 3), offers, 60)
    for number in range(60):
        again = Bandit(TWO, 3).choose(Plan("crossover", "p"), "tiling", number, history[:number])
        assert again.model == history[number].arm.model
