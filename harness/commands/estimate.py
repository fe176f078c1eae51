"""`harness estimate stage=…`: what a run would use, from what earlier ones did; nothing is sent or evaluated."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from candidates.text import neutralise
from evaluator import triton_api
from evaluator.errors import UsageError
from harness import archive, arguments, terminal, worst
from harness.boundary import DONE
from harness.commands.prompt import gather
from harness.config import load
from harness.forecast import Amount, Forecast, forecast
from harness.history import History
from harness.llm.budget import Spent
from harness.llm.prices import Price, find_price
from harness.proposers.select import writer
from harness.run import require_a_beginning
from harness.settings import Settings

UNKNOWN = "not known"
NAMES = {
    "steps": "steps",
    "usd": "dollars",
    "tokens": "tokens",
    "calls": "calls",
    "wall_s": "wall time",
    "gpu_s": "GPU time",
}


def main(words: Sequence[str], debug: bool) -> int:
    """Print the forecast of the run that `harness run` with the same settings would begin."""
    given, overrides = arguments.parse(arguments.parser("estimate"), words)
    settings = load(overrides)
    require_a_beginning(settings)
    prices = priced(settings)
    found = forecast(settings, read_history(settings), prices, most(settings, prices))
    if given.json:
        terminal.print_json(as_json(found, settings))
    else:
        print("\n".join(neutralise(line) for line in lines(found, settings)))
    return DONE


def priced(settings: Settings) -> dict[str, Price | None]:
    """The prices of the models that may be asked; none where nobody is.

    Raises:
        UsageError: a model is to be asked, and none is named.
    """
    if settings.proposer.kind != "llm":
        return {}
    if not settings.llm.names:
        raise UsageError("No model is named.", "Name one with llm.model=NAME, or use proposer=rules, which needs none.")
    return {name: find_price(settings.llm, os.environ, name) for name in settings.llm.names}


def read_history(settings: Settings) -> History:
    """What the store holds; nothing if there is no store yet."""
    if not archive.exists(settings.store):
        return History()
    with archive.open_existing(settings.store) as store:
        return History.read(store)


def most(settings: Settings, prices: Mapping[str, Price | None]) -> Spent:
    """What all replies can come to, with the prompts as they would be sent first."""
    return worst.of_run(
        settings,
        lambda stage: gather(settings.model_copy(update={"stages": (stage,)}), ""),
        writer(settings, triton_api.names()),
        prices,
    )


def as_json(found: Forecast, settings: Settings) -> dict[str, object]:
    """The forecast for other programs; null where nothing can be said."""
    basis = {
        name: {"with": group.name, "steps": len(group.steps), "runs": list(group.runs)} if group else None
        for name, group in found.basis.items()
    }
    return {
        "task": settings.task.name,
        "gpu": settings.gpu.name,
        "measured": bool(settings.device),
        "proposer": settings.proposer.kind,
        "models": list(settings.llm.names) if settings.proposer.kind == "llm" else [],
        "budget_usd": settings.budget.usd,
        **{name: asdict(amount) for name, amount in found.amounts.items()},
        "basis": basis,
        "notes": list(found.notes),
    }


def lines(found: Forecast, settings: Settings) -> list[str]:
    """The forecast for people: a line for each quantity, then what it rests on."""
    by = ", ".join(settings.llm.names) if settings.proposer.kind == "llm" else settings.proposer.kind
    names = ", ".join(stage.name for stage in settings.stages)
    told = [f"{settings.task.name} on {settings.gpu.title}: {names}, proposed by {by}"]
    told += [f"{NAMES[name]:<10} {said(name, amount)}" for name, amount in found.amounts.items()]
    told += [f"{name}: from {group}" for name, group in found.basis.items() if group]
    return [*told, *found.notes]


def said(name: str, amount: Amount) -> str:
    """`about $0.31 ($0.12 to $0.64 in nine of ten runs), $4.20 at most`."""
    if amount.at_most == 0:
        return "none"
    words = UNKNOWN if amount.expected is None else f"about {shown(name, amount.expected)}"
    if amount.low is not None and amount.high is not None:
        words += f" ({shown(name, amount.low)} to {shown(name, amount.high)} in nine of ten runs)"
    return words if amount.at_most is None else f"{words}, {shown(name, amount.at_most)} at most"


def shown(name: str, value: float) -> str:
    """The value with its unit."""
    if name == "usd":
        return f"${value:.4g}"
    if name.endswith("_s"):
        return f"{value:.3g} s" if value < 120 else f"{value / 60:.1f} min"
    return f"{value:,.0f}"
