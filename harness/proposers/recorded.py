"""The recorded proposer: what was proposed in a saved run, proposed again. It costs nothing and asks nobody."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from evaluator.errors import ModelError, UsageError
from harness.proposers.base import Context, Exchange, Proposal
from harness.search.arms import INTERCHANGEABLE, Pull
from harness.search.base import Operator, Plan
from harness.settings import Settings
from harness.state import State
from prompts.stages import Stage

if TYPE_CHECKING:
    from candidates.store import RunRecord, Step, Store


@dataclass(frozen=True)
class RecordedStep:
    """One saved ask and its answer. A reply, or for proposers that write code themselves the source."""

    prompt: str | None = None
    reply: str | None = None
    source: str | None = None
    change: str = ""
    model: str = ""
    problem: str = ""
    stage: str = ""  # empty: fits every stage
    repair: bool = False
    analysis: Exchange | None = None
    mends: int | None = None  # of a repair: number of the ask that failed; None: the one before it
    operator: Operator = "improve"  # that was asked for
    asked: str = ""  # model that was asked; `model` is what its server called it
    after: int = 0  # how many steps the log had when it was asked for
    index: float = 0  # of the step that answered it; infinite: none did
    declined: str = ""  # why nothing was proposed


def read_steps(store: "Store", run_id: str) -> tuple[RecordedStep, ...]:
    """The asks of a saved run, in order, with their answers. A reply is preferred to the code that came out of it."""
    state = State.from_log(store.steps(run_id), store.asks(run_id))
    found = []
    for ask in state.asks:
        step = state.answers.get(ask.number)
        asked = RecordedStep(
            stage=ask.stage,
            repair=ask.kind == "repair",
            mends=ask.mends,
            operator=cast(Operator, ask.operator),
            asked=ask.model,
            after=ask.after,
            index=math.inf,
        )
        if step is None:
            found.append(asked)
            continue
        reply = store.text(step.reply) if step.reply else None
        found.append(
            replace(
                asked,
                prompt=store.text(step.prompt) if step.prompt else None,
                reply=reply,
                source=store.source(step.candidate) if reply is None and step.candidate else None,
                change=step.change,
                model=step.model,
                problem=step.problem,
                index=step.index,
                declined=step.note if step.decision == "declined" else "",
                analysis=_analysis(store, step),
            )
        )
    return tuple(found)


def _analysis(store: "Store", step: "Step") -> Exchange | None:
    if not step.analysis_prompt:
        return None
    reply = store.text(step.analysis_reply) if step.analysis_reply else ""
    return Exchange(store.text(step.analysis_prompt), reply)


def departures(record: "RunRecord", settings: Settings) -> list[str]:
    """What decided in the recorded run and is set otherwise here, as it was then: `search.rounds=20`.

    Raises:
        UsageError: the recorded run is about another task.
    """
    then = record.settings
    task = then.get("task", {})
    if task.get("reference", settings.task.reference) != settings.task.reference:
        raise UsageError(
            f"Run {record.id} is about the task {task.get('name')}, not {settings.task.name}.",
            f"Add task={task.get('name')}, or the path of its reference file.",
        )
    now = settings.model_dump(mode="json")
    found = [f"search.{name}={value}" for name, value in then.get("search", {}).items() if now["search"][name] != value]
    stages = [stage["name"] for stage in then.get("stages", now["stages"])]
    if stages != [stage["name"] for stage in now["stages"]]:
        found.insert(0, f"stage={','.join(stages)}")
    return found


class RecordedProposer:
    """Answers each ask with what answered it then.

    What happens here may differ from what happened then: a stage may end earlier, a failure may not occur. So a
    proposal gets the first answer in the order of asks that was given in its stage and is not used yet, and a repair
    the answer that mended the same failure: without differences that is the answer to the ask of the same number.
    """

    name = "recorded"

    def __init__(self, steps: Iterable[RecordedStep]) -> None:
        self._steps = tuple(steps)
        self._used: set[int] = set()
        self._assigned: dict[int, int | None] = {}  # number of an ask here -> place in the recording
        self._last = -1  # place of what was given last to an ask without a number
        self.reason = ""

    def why_not(self, stage: Stage) -> str:
        """Why nothing can be replayed in a stage, one sentence; empty if something can."""
        if any(place not in self._used and step.stage in ("", stage.name) for place, step in enumerate(self._steps)):
            return ""
        return f"The recording holds no further proposal for stage {stage.name}."

    def assign(self, ticket: int, stage: str, mends: int | None) -> None:
        """Settle what will answer an ask. Asks are assigned in the order of their numbers."""
        if ticket not in self._assigned:
            mended = None if mends is None else self._assigned.get(mends)
            self._assigned[ticket] = None if mended is None and mends is not None else self._use(stage, mended)

    def choose(self, plan: Plan, stage: str, number: int, pulls: Sequence[Pull]) -> Plan:
        """The plan with the model that followed it then, and the operator where a bandit may have chosen it.

        What a model cost then is not paid again, so the choice could not be made again. See `Arms.choose`.
        """
        then = self._steps[number] if number < len(self._steps) else None
        if then is None or then.repair or then.stage not in ("", stage):
            return plan
        exchanged = {plan.operator, then.operator} <= set(INTERCHANGEABLE)
        return replace(plan, model=then.asked, operator=then.operator if exchanged else plan.operator)

    def asked_after(self, number: int) -> float:
        """How many steps the recorded log had before its ask of this number; infinite beyond its end."""
        return self._steps[number].after if number < len(self._steps) else math.inf

    def answered_at(self, ticket: int) -> float:
        """Where in the recorded log the answer to an assigned ask is; infinite if it got none."""
        place = self._assigned[ticket]
        return -1 if place is None else self._steps[place].index

    def propose(self, context: Context) -> Proposal | None:
        """The recorded answer to an ask; None where nothing was proposed, and when the recording has ended.

        Raises:
            ModelError: the ask got no answer, or one without a reply, code or a problem.
        """
        place = self._assigned[context.ticket] if context.ticket in self._assigned else self._next(context)
        if place is None:
            self.reason = "the recording holds nothing more"
            return None
        step = self._steps[place]
        if step.declined:
            self.reason = step.declined
            return None
        if step.reply is None and step.source is None and not step.problem:
            raise _lacking(place, step)
        return Proposal(
            proposer=self.name,
            change=step.change or "recorded reply",
            source=None if step.reply is not None else step.source,
            prompt=step.prompt,
            reply=step.reply,
            problem=step.problem,
            model=step.model,
            analysis=step.analysis,
        )

    def _next(self, context: Context) -> int | None:
        """For an ask without a number: a repair is one of what was given last."""
        place = self._use(context.stage.name, None if context.failure is None else self._last)
        self._last = self._last if place is None else place
        return place

    def _use(self, stage: str, mended: int | None) -> int | None:
        for place, step in enumerate(self._steps):
            if place in self._used or step.repair != (mended is not None):
                continue
            fits = step.stage in ("", stage) if mended is None else mended == _mended_by(place, step)
            if fits:
                self._used.add(place)
                return place
        return None


def _mended_by(place: int, step: RecordedStep) -> int:
    """The place in the recording of what a recorded repair mends."""
    return place - 1 if step.mends is None else step.mends


def _lacking(place: int, step: RecordedStep) -> ModelError:
    if step.index == math.inf:
        return ModelError(
            f"Ask {place} of the recorded run has no reply: that run ended before it came.",
            "What was replayed before is kept. Go on with the recorded run first, or choose another with run=ID.",
        )
    return ModelError(
        f"Step {place + 1} of the recording holds neither a reply nor code.",
        "Choose another run with run=ID; its files may be missing from the store.",
    )
