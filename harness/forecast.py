"""What a run will use: imagined many times from the steps of earlier runs, and bounded where there are none.

Each imagined run draws, for each stage, one earlier stage for its number of steps and then as many earlier steps, with
replacement (the bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 6). The spread of
the imagined runs is what one run may come to, as far as the earlier ones are like it.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.history import ENOUGH, Group, History, Past, nearest
from harness.llm.budget import Spent
from harness.llm.prices import Prices
from harness.settings import Settings

IMAGINED = 1000
QUANTITIES = ("steps", "usd", "tokens", "calls", "wall_s", "gpu_s")
_TAIL = 0.05  # on each side of the interval


@dataclass(frozen=True)
class Amount:
    """One quantity. None where it can't be said; `low` and `high` hold nine of ten imagined runs."""

    expected: float | None = None
    low: float | None = None
    high: float | None = None
    at_most: float | None = None  # by the settings, budgets aside


@dataclass(frozen=True)
class Forecast:
    """What a run is expected to use, by quantity, and what that rests on, by stage (None: nothing comparable)."""

    amounts: Mapping[str, Amount]
    basis: Mapping[str, Group | None]
    notes: tuple[str, ...]


def forecast(settings: Settings, history: History, prices: Prices, most: Spent) -> Forecast:
    """The forecast of a run.

    Args:
        settings: of the run.
        history: of the store that it would use.
        prices: of the models that may be asked.
        most: what all replies can come to (`harness.worst`).
    """
    names = [stage.name for stage in settings.stages]
    basis = {name: nearest(history, settings, name) for name in (["start"] if settings.task.start else []) + names}
    bounds = {"steps": float(most_steps(settings)), "usd": most.usd, "tokens": most.tokens, "calls": most.calls}
    if not settings.device:
        bounds["gpu_s"] = 0.0
    amounts = {name: _unknown(bounds.get(name)) for name in QUANTITIES}
    groups = [group for group in basis.values() if group]
    if len(groups) == len(basis):
        runs = imagine(settings, basis, prices)
        spread = all(len(group.steps) >= ENOUGH for name, group in basis.items() if group and name != "start")
        for index, name in enumerate(QUANTITIES):
            amounts[name] = _amount([run[index] for run in runs], bounds.get(name), spread)
    return Forecast(amounts, basis, tuple(_notes(settings, basis, amounts)))


def most_steps(settings: Settings) -> int:
    """How many steps the settings allow: the start, and in each stage every round with all its repairs."""
    search = settings.search
    return bool(settings.task.start) + len(settings.stages) * search.rounds * (1 + search.repairs)


def imagine(settings: Settings, basis: Mapping[str, Group | None], prices: Prices) -> list[list[float | None]]:
    """What each of many imagined runs uses, in the order of QUANTITIES."""
    random_numbers = random.Random(0)
    groups = {name: group for name, group in basis.items() if group}
    pools = {name: [_uses(step, settings, prices) for step in group.steps] for name, group in groups.items()}
    runs = []
    for _ in range(IMAGINED):
        drawn: list[tuple[float | None, ...]] = []
        for name in (*(["start"] if "start" in groups else []), *(stage.name for stage in settings.stages)):
            number = 1 if name == "start" else _steps(groups[name], settings, random_numbers)
            drawn += random_numbers.choices(pools[name], k=number)
        runs.append([_total(column) for column in zip(*drawn, strict=True)])
    return runs


def _steps(group: Group, settings: Settings, random_numbers: random.Random) -> int:
    """The number of steps of one stage: the share of its rounds that an earlier one used; all, where none ended."""
    rounds = settings.search.rounds
    if not group.visits:
        return rounds
    visit = random_numbers.choice(group.visits)
    return max(1, min(round(visit.steps / visit.rounds * rounds), rounds * (1 + settings.search.repairs)))


def _uses(step: Past, settings: Settings, prices: Prices) -> tuple[float | None, ...]:
    tokens = step.prompt_tokens + step.completion_tokens
    return (1.0, _dollars(step, settings, prices), float(tokens), float(step.calls), step.wall_s, step.gpu_s)


def _dollars(step: Past, settings: Settings, prices: Prices) -> float | None:
    """What the step's tokens cost today; where no price is known what they did cost, if the model is the same."""
    if step.calls == 0:
        return 0.0
    mine = [name for name in settings.llm.names if name in step.models] or list(settings.llm.names)
    known = [price.usd(step.prompt_tokens, step.completion_tokens) for name in mine if (price := prices.get(name))]
    if known:
        return max(known)
    return step.usd if set(mine) & step.models else None


def _total(column: Sequence[float | None]) -> float | None:
    known = [value for value in column if value is not None]
    return sum(known) if len(known) == len(column) else None


def _unknown(at_most: float | None) -> Amount:
    return Amount(0.0, 0.0, 0.0, 0.0) if at_most == 0 else Amount(at_most=at_most)


def _amount(values: Sequence[float | None], at_most: float | None, spread: bool) -> Amount:
    known = sorted(value for value in values if value is not None)
    if len(known) < len(values):
        return _unknown(at_most)
    tail = round(_TAIL * (len(known) - 1))
    low, high = (known[tail], known[-1 - tail]) if spread else (None, None)
    return Amount(fmean(known), low, high, at_most)


def _notes(settings: Settings, basis: Mapping[str, Group | None], amounts: Mapping[str, Amount]) -> list[str]:
    """What the reader must know to take the figures for what they are."""
    notes = []
    if missing := [name for name, group in basis.items() if group is None]:
        where = "on this GPU" if settings.device else "without a GPU"
        notes.append(
            f"No comparable step in the store for {', '.join(missing)} ({settings.proposer.kind}, {where}): how many "
            "steps the run takes, and how long, can't be said. One short run (search.rounds=1) is a beginning."
        )
    for name, group in basis.items():
        if group and name != "start" and len(group.steps) < ENOUGH:
            notes.append(f"{name}: fewer than {ENOUGH} steps are no basis for an interval.")
    if settings.proposer.kind == "llm":
        notes.append(
            "At most: every round and repair is used, prompts are as long as the first one, text is dense, and each "
            "answer is as long as llm.max_tokens allows. Prompts grow with what was tried; the budget holds anyway."
        )
        if amounts["usd"].at_most is None:
            notes.append("The price of the model is not known: give llm.usd_per_million_input=… and …_output=….")
    cap, usd = settings.budget.usd, amounts["usd"]
    reached = next((value for value in (usd.high, usd.expected, usd.at_most) if value is not None), None)
    if cap is not None and reached is not None and reached > cap:
        notes.append(f"budget.usd={cap:g} may end the run before that.")
    return notes
