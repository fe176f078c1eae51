"""What a run took: time, money, evaluations, stage by stage, and how long the evaluator had nothing to do."""

from collections.abc import Iterable
from functools import reduce

from rich.console import Console
from rich.table import Table

from candidates.store import Step
from candidates.text import neutralise
from harness.llm.budget import Spent
from harness.reports.columns import number
from harness.state import State, cost, spending


def by_stage(state: State) -> dict[str, Spent]:
    """What each stage used, in the order in which the stages were entered; with what lost attempts may have cost."""
    used: dict[str, Spent] = {}
    for step in state.steps:
        used[step.stage] = used.get(step.stage, Spent()) + cost(step)
    for ask in state.asks:
        used[ask.stage] = used.get(ask.stage, Spent()) + spending(ask.lost)
    return used


def idle_share(steps: Iterable[Step]) -> float | None:
    """The part of a run's time in which its evaluator had nothing to do: 1 - busy / wall, from 0 to 1.

    `wall` is the time in which the loop ran, over all invocations, from its beginning to its last step; the evaluator
    is busy while it judges or profiles for this run. With a GPU it is the GPU's idle share, as far as this run goes.
    None if nothing was recorded.
    """
    wall, busy = reduce(
        lambda sums, step: (sums[0] + step.seconds, sums[1] + step.evaluation_seconds), steps, (0.0, 0.0)
    )
    return max(0.0, 1 - busy / wall) if wall > 0 else None


def print_account(state: State, device: bool, console: Console) -> None:
    """A table with a row for each stage and one for all, and the idle share."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("stage", "minutes", "evaluations", "GPU s", "calls", "tokens", "cost"):
        table.add_column(name, justify="left" if name == "stage" else "right", no_wrap=True)
    rows = by_stage(state)
    for name, spent in (*rows.items(), *([("all", state.spent)] if len(rows) > 1 else [])):
        table.add_row(neutralise(name), *_cells(spent, device))
    console.print(table)
    share = idle_share(state.steps)
    if share is not None:
        console.print(f"the evaluator was idle {share:.0%} of {state.spent.minutes:.1f} minutes", highlight=False)


def _cells(spent: Spent, device: bool) -> tuple[str, ...]:
    return (
        f"{spent.minutes:.1f}",
        str(spent.evaluations),
        number(spent.gpu_seconds if device else None, "{:.1f}"),
        number(spent.calls or None),
        number(spent.tokens or None, "{:,}"),
        "unknown" if spent.usd is None else number(spent.usd if spent.calls else None, "${:.4f}"),
    )
