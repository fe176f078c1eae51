"""The board: ranked candidates as a table that fits the terminal, one table per task and device.

Columns give way in a fixed order when the terminal is narrow, the least telling first; what is left of the width
belongs to the description of the change. Everything that came from a candidate or a model is neutralised text,
never markup.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from candidates.board import Row
from candidates.text import neutralise
from harness.reports.columns import COLUMNS, NOTHING, Column, failure_line, footnotes, heading

GAP = 2  # between columns
CHANGE_WIDTH = 20  # the description of a change is not shown narrower than this


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


def print_board(rows: Sequence[Row], failures: Mapping[str, int], console: Console) -> None:
    """Print ranked candidates, one table per task and device, and how many others failed in which way."""
    if not rows:
        console.print("No verified candidates yet.", highlight=False)
    for _, group in groupby(rows, key=lambda row: (row.task, row.device)):
        ranked = list(group)
        title, reference = heading(ranked)
        console.print(Text(title, style="bold"))
        if reference:
            console.print(reference, highlight=False, markup=False)
        console.print(table(ranked, console.width), highlight=False)
        for note in footnotes(ranked):
            console.print(note, style="dim", highlight=False, markup=False)
    if line := failure_line(failures):
        console.print(line, highlight=False, markup=False)
