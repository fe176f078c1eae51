"""From a plan to the ask that is saved for it."""

from typing import Any

from candidates.store import Ask, Step, Use
from harness.llm.budget import Spent
from harness.search.base import Plan
from harness.state import State
from prompts.stages import Stage


def proposal(state: State, plan: Plan, stage: Stage, round: int, entered: bool) -> Ask:
    """The ask for a proposal in a stage, which it enters unless the run is in it already."""
    return _ask(state, plan, stage=stage.name, round=round, visit=len(state.stages) - entered)


def repair(state: State, broken: Step) -> Ask:
    """The ask to mend what failed, in the name of the proposal that began it."""
    number = broken.ticket
    assert number is not None  # the start is never repaired
    began = state.proposal(number)
    plan = Plan("repair", broken.candidate or began.parent, model=began.model, island=began.island)
    place = {"stage": began.stage, "round": began.round, "visit": began.visit}
    return _ask(state, plan, **place, kind="repair", mends=number)


def use(spent: Spent) -> Use:
    """The part of it that a proposer spends."""
    return Use(usd=spent.usd, tokens=spent.tokens, calls=spent.calls)


def _ask(state: State, plan: Plan, **more: Any) -> Ask:
    return Ask(
        number=state.next_number,
        after=len(state.steps),
        operator=plan.operator,
        parent=plan.parent,
        inspirations=plan.inspirations,
        model=plan.model,
        island=plan.island,
        sample=plan.sample,
        **more,
    )
