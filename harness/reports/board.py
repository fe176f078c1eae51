"""The board: ranked candidates as a table that fits the terminal, one table per task and device.

Columns give way in a fixed order when the terminal is narrow, the least telling first; what is left of the width
belongs to the description of the change. Everything that came from a candidate or a model is neutralised text,
never markup.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from candidates.board import Row
from candidates.text import neutralise

NOTHING = "—"
GAP = 2  # between columns
MARK_OF_REDUCED = "†"
CHANGE_WIDTH = 20  # the description of a change is not shown narrower than this


def number(value: float | None, pattern: str = "{}") -> str:
    """The value in the given format, or a dash where nothing was determined."""
    return NOTHING if value is None else pattern.format(value)


def time_cell(row: Row) -> str:
    """Median time in ms with half of its 95 % interval, at four significant digits: `2.314 ±0.004`."""
    if row.time_ms is None:
        return NOTHING
    decimals = max(0, 3 - math.floor(math.log10(row.time_ms))) if row.time_ms > 0 else 3
    if row.time_low_ms is None or row.time_high_ms is None:
        return f"{row.time_ms:.{decimals}f}"
    half = (row.time_high_ms - row.time_low_ms) / 2
    return f"{row.time_ms:.{decimals}f} ±{half:.{decimals}f}"


def status_cell(row: Row) -> str:
    """`verified` for a measured row; for one that was never timed, whether it waits to be measured."""
    unmeasured = "nominated" if row.nominated else "unmeasured"
    status = str(row.status) if row.measured or row.status != "verified" else unmeasured
    return status + MARK_OF_REDUCED * row.reduced_isolation


def shared_cell(row: Row) -> str:
    """Shared memory of a block: bytes below 1 KiB, KiB above."""
    if row.shared_bytes is None:
        return NOTHING
    return f"{row.shared_bytes}" if row.shared_bytes < 1024 else f"{row.shared_bytes / 1024:.3g}K"


def launch_cell(row: Row) -> str:
    """Warps and pipeline stages of the launch: `8/3`."""
    return NOTHING if row.num_warps is None else f"{row.num_warps}/{number(row.num_stages)}"


@dataclass(frozen=True)
class Column:
    """One column of the board. `gives_way` orders who leaves first when the table is too wide; 0 never leaves."""

    header: str
    cell: Callable[[Row], str]
    gives_way: int = 0
    right: bool = True

    def width(self, rows: Iterable[Row]) -> int:
        """Characters that the widest cell needs."""
        return max(len(self.header), *(len(self.cell(row)) for row in rows))


COLUMNS = (
    Column("#", lambda row: number(row.rank)),
    Column("id", lambda row: row.id, right=False),
    Column("status", status_cell, right=False),
    Column("time ms", time_cell),
    Column("×eager", lambda row: number(row.speedup_eager, "{:.2f}"), 8),
    Column("×compile", lambda row: number(row.speedup_compile, "{:.2f}"), 7),
    Column("own", lambda row: number(row.own_share, "{:.0%}"), 9),
    Column("regs", lambda row: number(row.registers), 6),
    Column("spill", lambda row: number(row.spill_bytes), 5),
    Column("shared", shared_cell, 2),
    Column("occ", lambda row: number(row.occupancy, "{:.0%}"), 4),
    Column("w/st", launch_cell, 3),
    Column("stage", lambda row: neutralise(row.stage) or NOTHING, 1, right=False),
)


def fitting(columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[Column]:
    """The columns that fit into `width` characters beside the change.

    Columns in which no row has anything to say go first.
    """
    kept = [c for c in columns if not c.gives_way or any(c.cell(row) != NOTHING for row in rows)]
    while taken(kept, rows) + CHANGE_WIDTH > width:
        leaving = min((c.gives_way for c in kept if c.gives_way), default=0)
        if not leaving:
            break
        kept = [c for c in kept if c.gives_way != leaving]
    return kept


def taken(columns: Sequence[Column], rows: Sequence[Row]) -> int:
    """Characters that these columns take with the space around them, the edge of the table included."""
    return sum(column.width(rows) + GAP for column in columns) + GAP


def table(rows: Sequence[Row], width: int) -> Table:
    """One table for rows of one task and device."""
    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    columns = fitting(COLUMNS, rows, width)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.right else "left"
        result.add_column(column.header, justify=justify, no_wrap=True, min_width=column.width(rows))
    result.add_column("change", no_wrap=True)
    rest = max(CHANGE_WIDTH, width - taken(columns, rows))
    for row in rows:
        style = "bold" if row.rank == 1 else "" if row.measured or row.nominated else "dim"
        change = Text(neutralise(" ".join(row.change.split())) or NOTHING)
        change.truncate(rest, overflow="ellipsis")
        result.add_row(*(Text(column.cell(row)) for column in columns), change, style=style)
    return result


def heading(rows: Sequence[Row]) -> Text:
    """`task on device`, and below it the times of the reference where they were measured."""
    first = rows[0]
    title = Text(neutralise(f"{first.task} on {first.device}"), style="bold")
    times = next((row.baseline_ms for row in rows if any(row.baseline_ms.values())), {})
    said = [f"{name} {ms:.4g} ms" for name, ms in times.items() if ms is not None]
    if said:
        title.append("\nreference: " + ", ".join(said), style="not bold")
    return title


def footnotes(rows: Sequence[Row]) -> list[str]:
    """What the reader must know to read the table right."""
    notes = []
    if any(not row.measured for row in rows):
        waiting = sum(1 for row in rows if row.nominated and not row.measured)
        notes.append(
            "Unmeasured rows were compiled for this GPU and checked without it: nothing says yet which one is faster."
        )
        if waiting:
            notes.append(f"{waiting} nominated; measure on such a GPU with: harness replay --pending")
    if any(row.time_low_ms is not None for row in rows):
        notes.append("time ms: median under a cold L2, ± half of its 95 % interval.")
    if any(row.own_share is not None for row in rows):
        notes.append("own: part of a forward's GPU time in the candidate's own kernels.")
    if unseen := [str(row.rank) for row in rows if row.status == "verified" and not row.ablated]:
        notes.append(f"Not ablated: {', '.join(unseen)}; nobody saw the output break without the kernels.")
    if any(row.reduced_isolation for row in rows):
        notes.append(f"{MARK_OF_REDUCED} reduced isolation: judged in the fallback sandbox, without namespaces.")
    return notes


def failure_line(failures: Mapping[str, int]) -> str:
    """`Failed: 2 compile_error, 1 wrong_output`, or nothing."""
    counts = [f"{count} {status}" for status, count in sorted(failures.items()) if count]
    return "Not on the board: " + ", ".join(counts) if counts else ""


def print_board(rows: Sequence[Row], failures: Mapping[str, int], console: Console) -> None:
    """Print ranked candidates, one table per task and device, and how many others failed in which way."""
    if not rows:
        console.print("No verified candidates yet.", highlight=False)
    for _, group in groupby(rows, key=lambda row: (row.task, row.device)):
        ranked = list(group)
        console.print(heading(ranked))
        console.print(table(ranked, console.width), highlight=False)
        for note in footnotes(ranked):
            console.print(note, style="dim", highlight=False, markup=False)
    if line := failure_line(failures):
        console.print(line, highlight=False, markup=False)
