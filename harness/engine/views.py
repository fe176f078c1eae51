"""What a strategy sees of a run."""

from typing import cast

from candidates.store import Ask
from evaluator.gpus import Gpu
from evaluator.verdict import Status, Verdict
from harness.decisions import nomination_key
from harness.search.base import Member, Operator, Plan, Told, View
from harness.settings import Settings
from harness.state import PROGRESS, State
from prompts import facts
from prompts.stages import Stage

LEVELS = 4  # of each axis of a candidate's cell


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


def _members(state: State, stage: Stage, settings: Settings) -> dict[str, Member]:
    found: dict[str, Member] = {}
    for step in state.steps:
        verdict = state.verdicts.get(step.candidate)
        if step.candidate in found or verdict is None or verdict.status is not Status.VERIFIED:
            continue
        fitness = fitness_of(verdict, stage, settings)
        found[step.candidate] = Member(step.candidate, fitness, cell_of(verdict, settings.gpu), step.island)
    return found


def fitness_of(verdict: Verdict, stage: Stage, settings: Settings) -> tuple[float, ...]:
    """How good a verified candidate is: its time where that was measured, else its place in the order of nomination."""
    if verdict.time is not None:
        return (1.0, -verdict.time.median_ms)
    section = stage.section(settings.task.category)
    key = nomination_key(verdict, section, facts.collect(verdict, None, settings.gpu))
    return (0.0, *(float(part) for part in key))


def cell_of(verdict: Verdict, gpu: Gpu) -> tuple[int, ...]:
    """Where the behaviour of a verified candidate lies, by its heaviest kernel: three numbers from 0 to LEVELS - 1.

    Memory: the share of the shared memory that a block may take. Compute: the share of the registers that a thread may
    have. Parallelism: theoretical occupancy.
    """
    kernel = max(verdict.kernels, key=lambda kernel: kernel.time_share or 0.0, default=None)
    if kernel is None:
        return (0, 0, 0)
    return (
        _level((kernel.shared_bytes or 0) / gpu.shared_per_block_bytes),
        _level((kernel.registers or 0) / gpu.registers_per_thread),
        _level(kernel.occupancy or 0.0),
    )


def _level(share: float) -> int:
    return max(0, min(LEVELS - 1, int(share * LEVELS)))
