"""Arms: which of several models writes what a plan asks for, and by which operator.

Like a strategy, it keeps no state: what it decides follows from the run's log and from the plan's number.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Protocol, runtime_checkable

from harness.search.base import Operator, Plan
from harness.search.plans import chance

DISCOUNT = 0.97  # of what a pull says, for each pull after it: what a model finds early, it does not find late
GOLDEN = (5**0.5 - 1) / 2
KINSHIP = 0.3  # of what a pull in another stage says about this one
INTERCHANGEABLE: tuple[Operator, ...] = ("improve", "explore")  # ask for the same material, so one can take the other's


@dataclass(frozen=True)
class Arm:
    """What a pull is of."""

    model: str
    operator: Operator
    stage: str


@dataclass(frozen=True)
class Pull:
    """One answered plan: what it improved, and what it cost.

    `gain` is the fraction of the time that it saved, or whatever else measures progress, at least 0; a failure, a tie
    and a duplicate gained nothing and cost as much. `usd` is None if the price is not known.
    """

    arm: Arm
    gain: float
    usd: float | None = 0.0
    tokens: int = 0

    def with_repair(self, repair: "Pull") -> "Pull":
        """The same pull after an attempt to repair what came of it: what failed first costs that as well."""
        usd = None if self.usd is None or repair.usd is None else self.usd + repair.usd
        return Pull(self.arm, max(self.gain, repair.gain), usd, self.tokens + repair.tokens)


@runtime_checkable
class Arms(Protocol):
    """Chooses who follows a plan."""

    def choose(self, plan: Plan, stage: str, number: int, pulls: Sequence[Pull]) -> Plan:
        """The plan with a model, and perhaps another operator.

        Args:
            plan: what the strategy asked for.
            stage: the stage that the run is in.
            number: of the plan, over the whole run.
            pulls: everything answered so far, in order.
        """
        ...


@dataclass(frozen=True)
class Weights:
    """Each model is asked as often as its weight says, whatever comes of it. With one model there is no choice.

    Plans are spread by the golden ratio (Weyl's sequence), so that every stretch of a run has about its shares: drawn
    by lot, a model with a third of the weight may be left out of a dozen plans.
    """

    models: Mapping[str, float]
    seed: int

    def choose(self, plan: Plan, stage: str, number: int, pulls: Sequence[Pull]) -> Plan:
        """See `Arms.choose`; the operator stays."""
        if plan.model or len(self.models) < 2:
            return plan
        place = (chance(self.seed, 0, "weights").random() + number * GOLDEN) % 1 * sum(self.models.values())
        bounds = list(accumulate(self.models.values()))
        return replace(plan, model=list(self.models)[min(bisect_right(bounds, place), len(bounds) - 1)])


@dataclass(frozen=True)
class Bandit:
    """The arm that promises most improvement for its price is pulled: Thompson sampling with costs.

    For every arm a rate of improvement is drawn from what is believed about it, and the arm with the greatest quotient
    of rate and mean cost follows the plan (Xia, Li, Qin, Yu and Liu, "Thompson Sampling for Budgeted Multi-armed
    Bandits", 2015). The belief is a Beta distribution that starts even. Its evidence is the gain of each pull as a
    share of the greatest gain of such operators so far, so that gains of 3 percent teach as much as those of 60; it
    fades with age (`DISCOUNT`), and pulls in other stages count less (`KINSHIP`), but count, since a stage has few. An
    arm's mean cost starts at that of all arms, as one pull. Pulls that are pending need no care: the next draw is
    another one.

    The cost is in dollars if every model has a price; else, with one that runs on one's own machine, in tokens; and
    where a server does not count them, in pulls.
    """

    models: Mapping[str, float]
    seed: int

    def choose(self, plan: Plan, stage: str, number: int, pulls: Sequence[Pull]) -> Plan:
        """See `Arms.choose`. Improving and exploring can take each other's place; any other operator stays."""
        operators = INTERCHANGEABLE if plan.operator in INTERCHANGEABLE else (plan.operator,)
        models = (plan.model,) if plan.model else tuple(name for name, weight in self.models.items() if weight > 0)
        arms = [Arm(model, operator, stage) for model in models or ("",) for operator in operators]
        if len(arms) < 2:
            return plan
        random = chance(self.seed, number, "bandit")
        beliefs = believe(pulls, arms)
        drawn = [random.betavariate(1 + belief.good, 1 + belief.bad) / belief.cost for belief in beliefs]
        best = arms[drawn.index(max(drawn))]
        return replace(plan, model=best.model if len(self.models) > 1 else plan.model, operator=best.operator)


@dataclass(frozen=True)
class Belief:
    """What is known of an arm: discounted pulls' worth of improvement and of none, and the mean cost of a pull."""

    good: float
    bad: float
    cost: float


def believe(pulls: Sequence[Pull], arms: Sequence[Arm]) -> list[Belief]:
    """What the pulls so far say about each of these arms."""
    costs = price(pulls)
    common = sum(costs) / len(costs) if costs else 1.0
    operators = {arm.operator for arm in arms}
    greatest = max((pull.gain for pull in pulls if pull.arm.operator in operators), default=0.0)
    beliefs = []
    for arm in arms:
        good = bad = 0.0
        paid, count = common, 1.0
        for age, (pull, cost) in enumerate(zip(reversed(pulls), reversed(costs), strict=True)):
            weight = DISCOUNT**age * _relevance(pull.arm, arm)
            share = max(0.0, pull.gain) / greatest if greatest > 0 else 0.0
            good, bad = good + weight * share, bad + weight * (1 - share)
            paid, count = paid + weight * cost, count + weight
        beliefs.append(Belief(good, bad, paid / count))
    return beliefs


def price(pulls: Sequence[Pull]) -> list[float]:
    """What each pull cost, all in the same money: dollars, else tokens, else pulls. Always above zero.

    A money will do if every model was paid in it at least once. Pulls that took none (an answer from the cache, a
    request that was lost) then count as the mean of the others.
    """
    models = {pull.arm.model for pull in pulls}
    for costs in ([pull.usd or 0.0 for pull in pulls], [float(pull.tokens) for pull in pulls]):
        paid = [cost for cost in costs if cost > 0]
        if paid and models == {pull.arm.model for pull, cost in zip(pulls, costs, strict=True) if cost > 0}:
            mean = sum(paid) / len(paid)
            return [cost if cost > 0 else mean for cost in costs]
    return [1.0 for _ in pulls]


def _relevance(pulled: Arm, arm: Arm) -> float:
    """How much a pull of one arm says about another."""
    if (pulled.model, pulled.operator) != (arm.model, arm.operator):
        return 0.0
    return 1.0 if pulled.stage == arm.stage else KINSHIP
