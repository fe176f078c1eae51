"""Landscapes to search in: what a plan yields is a pure function of the plan, and a run is its log."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.search.arms import Arm, Arms, Pull
from harness.search.base import Member, Plan, Strategy, Told, View

Yield = Callable[[Plan], Member | None]
START = Member("start", (1.0, 1.0), (0, 0, 0))


def name_of(plan: Plan) -> str:
    """A digest that says which question was answered."""
    asked = f"{plan.operator}/{plan.parent}/{plan.inspirations}/{plan.model}/{plan.sample}"
    return hashlib.sha256(asked.encode()).hexdigest()[:8]


def hills(plan: Plan) -> Member | None:
    """Every fifth question fails; the others give a behaviour and a speed that depend on nothing but the question."""
    digest = name_of(plan)
    luck = int(digest, 16)
    if luck % 5 == 0:
        return None
    cell = (luck // 5 % 3, luck // 15 % 2, luck // 30 % 2)
    return Member(digest, (1.0, 1.0 + luck % 1009 / 1009), cell, plan.island)


@dataclass(frozen=True)
class Event:
    """A plan that was made, or the answer to one."""

    plan: Plan
    answered: bool


@dataclass
class Run:
    """A run of a strategy on a landscape, with so many plans open at a time and answers in an order of their own."""

    strategy: Strategy
    landscape: Yield = hills
    concurrency: int = 1
    order: int = 0
    log: list[Event] = field(default_factory=list)

    def go(self, plans: int) -> "Run":
        """Ask until so many plans are answered."""
        arrival = random.Random(self.order)
        while True:
            view = view_of(self.log, self.landscape)
            plan = self.strategy.ask(view) if view.number < plans and len(view.pending) < self.concurrency else None
            if plan is not None:
                self.log.append(Event(plan, answered=False))
            elif view.pending:
                self.log.append(Event(arrival.choice(view.pending), answered=True))
            else:
                return self

    @property
    def plans(self) -> list[Plan]:
        return [event.plan for event in self.log if not event.answered]

    @property
    def view(self) -> View:
        return view_of(self.log, self.landscape)


def view_of(log: list[Event], landscape: Yield = hills) -> View:
    """What a strategy sees after this log: the same fold as a run's."""
    made = [event.plan for event in log if not event.answered]
    answers = [event.plan for event in log if event.answered]
    members, current, told = {START.digest: START}, START, []
    for plan in answers:
        member = landscape(plan)
        progress = member is not None and member.fitness > current.fitness
        if member is not None:
            members.setdefault(member.digest, member)
            current = member if progress else current
        told.append(Told(plan, member, progress))
    pending = list(made)
    for plan in answers:
        pending.remove(plan)
    return View(len(made), current.digest, tuple(members.values()), tuple(told), tuple(pending))


@dataclass(frozen=True)
class Offer:
    """What a pull of an arm yields: a gain so often, for a price."""

    chance: float
    gain: float
    usd: float | None = 0.01
    tokens: int = 1000


def pull_often(arms: Arms, offers: dict[str, Offer], pulls: int, stage: str = "tiling", seed: int = 0) -> list[Pull]:
    """Let the arms choose again and again; the luck of each pull is that of its number and its model."""
    history: list[Pull] = []
    for number in range(pulls):
        plan = arms.choose(Plan("crossover", "p"), stage, number, history)
        offer = offers[plan.model]
        lucky = random.Random(f"{seed}/{number}/{plan.model}").random() < offer.chance
        gain = offer.gain if lucky else 0.0
        history.append(Pull(Arm(plan.model, plan.operator, stage), gain, offer.usd, offer.tokens))
    return history
