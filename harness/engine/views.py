"""What a strategy, and who chooses among models, sees of a run."""

from typing import cast

from candidates.store import Ask, Step
from evaluator.verdict import Status
from harness.decisions import Standing
from harness.search import behaviour
from harness.search.arms import Arm, Pull
from harness.search.base import Member, Operator, Plan, Told, View
from harness.settings import Settings
from harness.state import PROGRESS, State
from prompts import facts
from prompts.stages import Stage


def plan_of(ask: Ask) -> Plan:
    """The plan that an ask follows."""
    return Plan(cast(Operator, ask.operator), ask.parent, ask.inspirations, ask.model, ask.island, ask.sample)


def view(state: State, stage: Stage, entered: bool, settings: Settings) -> View:
    """The run as a strategy sees it.

    Args:
        entered: whether something was asked for in this stage before; what was asked in others is not shown.
    """
    members = _members(state, stage, settings)
    visit = len(state.stages) - 1
    told = []
    for number, step in state.answers.items():
        ask = state.asks[number]
        if entered and ask.visit == visit and step.decision != "declined":
            told.append(Told(plan_of(ask), members.get(step.candidate), step.decision in PROGRESS))
    return View(
        number=state.next_number,
        current=state.current,
        members=tuple(members.values()),
        told=tuple(told),
        pending=tuple(plan_of(ask) for ask in state.pending),
    )


def pulls(state: State) -> tuple[Pull, ...]:
    """What each proposal of the run improved and cost, with the attempts to repair it, in the order of the answers."""
    found: dict[int, Pull] = {}
    for number, step in state.answers.items():
        if step.decision == "declined":
            continue
        began, lost = state.proposal(number), state.asks[number].lost
        arm = Arm(began.model, cast(Operator, began.operator), began.stage)
        usd = None if step.usd is None or lost.usd is None else step.usd + lost.usd
        pull = Pull(arm, _gain(step), usd, step.prompt_tokens + step.completion_tokens + lost.tokens)
        earlier = found.get(began.number)
        found[began.number] = pull if earlier is None else earlier.with_repair(pull)
    return tuple(found.values())


def _gain(step: Step) -> float:
    """The fraction of time saved by what was kept; 1 for progress without a measure: a first version, a nomination."""
    if step.decision not in PROGRESS:
        return 0.0
    gain = step.verdict.gain if step.verdict else None
    return 1.0 if gain is None else max(0.0, gain.estimate)


def _members(state: State, stage: Stage, settings: Settings) -> dict[str, Member]:
    """Everything that verified, by digest, in the order in which it was told."""
    section = stage.section(settings.task.category)
    found: dict[str, Member] = {}
    for step in state.steps:
        verdict = state.verdicts.get(step.candidate)
        if step.candidate in found or verdict is None or verdict.status is not Status.VERIFIED:
            continue
        standing = Standing(step.candidate, verdict, facts.collect(verdict, None, settings.gpu))
        found[step.candidate] = behaviour.member(standing, section, settings.gpu, found, step.island)
    return found
