"""What the board says of each row, and around them, as plain text: its columns, headings and footnotes."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from candidates.board import Row
from candidates.text import neutralise

NOTHING = "—"
MARK_OF_REDUCED = "†"


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


def heading(rows: Sequence[Row]) -> tuple[str, str]:
    """`task on device`, and the times of the reference, empty where they were not measured."""
    first = rows[0]
    times = next((row.baseline_ms for row in rows if any(row.baseline_ms.values())), {})
    said = [f"{name} {ms:.4g} ms" for name, ms in times.items() if ms is not None]
    return neutralise(f"{first.task} on {first.device}"), "reference: " + ", ".join(said) if said else ""


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
