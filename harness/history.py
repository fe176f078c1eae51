"""What earlier runs in the store used, step by step: what a forecast of another run rests on."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from candidates.store import RunRecord, Step, Store
from harness.settings import Settings

ENOUGH = 5  # steps of a group, below which a wider one is taken if that has as many


@dataclass(frozen=True)
class Past:
    """One step of an earlier run, what it used, and under which circumstances. Times are seconds."""

    run: str
    task: str
    gpu: str
    measured: bool
    proposer: str
    models: frozenset[str]  # the one that answered, and those that were configured
    stage: str  # of a start: start
    usd: float | None
    prompt_tokens: int
    completion_tokens: int
    calls: int
    wall_s: float
    gpu_s: float


@dataclass(frozen=True)
class Visit:
    """How often a run proposed or repaired in a stage that it went through to its end."""

    run: str
    stage: str
    steps: int
    rounds: int  # that it was allowed


@dataclass(frozen=True)
class History:
    """All steps and visits of a store."""

    steps: tuple[Past, ...] = ()
    visits: tuple[Visit, ...] = ()

    @classmethod
    def read(cls, store: Store) -> "History":
        """Everything that the store knows of its runs."""
        steps: list[Past] = []
        visits: list[Visit] = []
        for run in store.runs():
            logged = store.steps(run.id)
            steps += [_past(run, step) for step in logged]
            visits += _visits(run, logged)
        return cls(tuple(steps), tuple(visits))


@dataclass(frozen=True)
class Group:
    """The steps and visits that are nearest to what is asked for, and what they have in common with it."""

    name: str  # the same task, stage and model
    steps: tuple[Past, ...]
    visits: tuple[Visit, ...]

    @property
    def runs(self) -> tuple[str, ...]:
        """IDs of the runs that the steps are of."""
        return tuple(dict.fromkeys(step.run for step in self.steps))

    def __str__(self) -> str:
        return f"{_count(len(self.steps), 'step')} of {_count(len(self.runs), 'run')} with {self.name}"


def nearest(history: History, settings: Settings, stage: str) -> Group | None:
    """The narrowest group with enough steps, else the narrowest that has any; None if nothing is comparable.

    Only steps by the same kind of proposer are comparable, and measured ones with measured ones alone.
    """
    kind, measured = settings.proposer.kind, bool(settings.device)
    start = stage == "start"
    comparable = [
        step
        for step in history.steps
        if step.measured == measured and (step.stage == "start") == start and (start or step.proposer == kind)
    ]
    groups = [_group(name, history, filter(fits, comparable)) for name, fits in _widening(settings, stage)]
    large = [group for group in groups if len(group.steps) >= (1 if start else ENOUGH)]
    return next((group for group in (*large, *groups) if group.steps), None)


def _widening(settings: Settings, stage: str) -> Sequence[tuple[str, Callable[[Past], bool]]]:
    """What is asked to be the same, from the most to the least."""
    names = frozenset(settings.llm.names if settings.proposer.kind == "llm" and stage != "start" else ())
    model = "model" if names else "proposer"

    def same_model(step: Past) -> bool:
        return not names or not names.isdisjoint(step.models)

    def here(step: Past) -> bool:
        return step.task == settings.task.name and step.gpu == settings.gpu.name

    def staged(step: Past) -> bool:
        return step.stage == stage

    if stage == "start":
        return (("the same task and GPU", here), ("the same GPU", lambda step: step.gpu == settings.gpu.name))
    return (
        (f"the same task, GPU, stage and {model}", lambda step: here(step) and staged(step) and same_model(step)),
        (f"the same stage and {model}", lambda step: staged(step) and same_model(step)),
        (f"the same {model}", same_model),
        ("the same task, GPU and stage, other models", lambda step: here(step) and staged(step)),
        ("the same stage, other models", staged),
        ("other models and stages", lambda step: True),
    )


def _group(name: str, history: History, steps: Iterable[Past]) -> Group:
    chosen = tuple(steps)
    places = {(step.run, step.stage) for step in chosen}
    return Group(name, chosen, tuple(visit for visit in history.visits if (visit.run, visit.stage) in places))


def _past(run: RunRecord, step: Step) -> Past:
    llm = run.settings.get("llm", {})
    configured = (llm.get("model", ""), *llm.get("models", {}))
    return Past(
        run=run.id,
        task=_named(run, "task"),
        gpu=_named(run, "gpu"),
        measured=bool(run.settings.get("device")),
        proposer=step.proposer,
        models=frozenset(name for name in (step.model, *configured) if name),
        stage="start" if step.kind == "start" else step.stage,
        usd=step.usd,
        prompt_tokens=step.prompt_tokens,
        completion_tokens=step.completion_tokens,
        calls=step.calls,
        wall_s=step.seconds,
        gpu_s=step.gpu_seconds,
    )


def _named(run: RunRecord, key: str) -> str:
    found: Any = run.settings.get(key, {})
    return str(found.get("name", "")) if isinstance(found, dict) else str(found)


def _visits(run: RunRecord, steps: Sequence[Step]) -> list[Visit]:
    """The stages that the run has ended; the last one of a run that goes on is not among them."""
    rounds = run.settings.get("search", {}).get("rounds", 0)
    counted: dict[str, int] = {}
    for step in steps:
        if step.kind != "start":
            counted[step.stage] = counted.get(step.stage, 0) + 1
    if run.state != "finished" and counted:
        counted.pop(steps[-1].stage, None)
    return [Visit(run.id, stage, number, rounds) for stage, number in counted.items() if rounds]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
