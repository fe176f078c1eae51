"""What all strategies share: how plans are counted, members ranked, and chance is seeded."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from harness.search.base import Member, Operator, Plan, View


def asked(view: View) -> tuple[Plan, ...]:
    """This stage's plans but for repairs, which belong to what they repair: the answered ones first."""
    plans = (*(told.plan for told in view.told), *view.pending)
    return tuple(plan for plan in plans if plan.operator != "repair")


def starting_from(parent: str, operator: Operator = "improve", island: int = 0) -> Plan:
    """A plan for this parent; as long as nothing works, one that drafts."""
    return Plan(operator if parent else "draft", parent, island=island)


def ranked(members: Iterable[Member]) -> tuple[Member, ...]:
    """The best first; among equals, the one that was there before."""
    return tuple(sorted(members, key=lambda member: member.fitness, reverse=True))


def inspired(plan: Plan, candidates: Iterable[Member], most: int) -> Plan:
    """The plan with at most so many inspirations: those that it has, then the best of the candidates."""
    shown = [*plan.inspirations, *(member.digest for member in ranked(candidates))]
    others = [digest for digest in dict.fromkeys(shown) if digest != plan.parent]
    return replace(plan, inspirations=tuple(others[: max(most, len(plan.inspirations))]))


def numbered(plan: Plan, view: View) -> Plan:
    """The plan with the number of its sample: how often this stage has asked the same before."""
    question = replace(plan, sample=0, island=0)
    return replace(plan, sample=sum(replace(each, sample=0, island=0) == question for each in asked(view)))


def chance(seed: int, number: int, purpose: str) -> Random:
    """Random choices that depend on nothing but the seed, the plan's number, and what they are for."""
    return Random(f"{seed}/{number}/{purpose}")  # a text is hashed in the same way by every Python
