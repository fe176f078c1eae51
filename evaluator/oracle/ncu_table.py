"""What `ncu --csv --page raw` prints: launches with their metrics in base units, and which of them stands for a kernel.

The table comes among the program's own lines and the profiler's `==PROF==` lines. Its first row names the columns, its
second holds their units, and numbers may have thousands separators. Base units are asked for, and not relied on.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

DURATION = "gpu__time_duration.sum"

_HEADER = '"ID"'
_NAME = "Kernel Name"
_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?([eE][+-]?\d+)?")
_UNIT = re.compile(r"(?P<prefix>[numKMGT]?)(?P<base>seconds?|s|bytes?|hz)(?P<per>/\w+)?")
_FACTORS = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SECOND_NS = 1e9  # times are in ns, as in base units


@dataclass(frozen=True)
class Launch:
    """One profiled launch. `metrics` holds what came back as a number: ns, bytes, Hz, percent, or a plain count."""

    kernel: str
    metrics: Mapping[str, float]


def parse(output: str) -> tuple[Launch, ...]:
    """The launches in the last table of the output, in the order of the program; empty if there is no table."""
    lines = output.splitlines()
    starts = [index for index, line in enumerate(lines) if _is_heading(line)]
    if not starts:
        return ()
    header, *rows = csv.reader(line for line in lines[starts[-1] :] if line.startswith('"'))
    rows = [row for row in rows if len(row) == len(header)]  # what the program prints in quotes is no row of this
    if not rows:
        return ()
    units, launches = rows[0], rows[1:]
    return tuple(_launch(header, units, row) for row in launches)


def _is_heading(line: str) -> bool:
    return line.startswith(_HEADER) and _NAME in next(csv.reader([line]))


def representatives(launches: Iterable[Launch], kernels: Iterable[str]) -> dict[str, tuple[Launch, int]]:
    """For each of the kernels that was launched its longest launch, the first of equals, and how many there were."""
    found: dict[str, tuple[Launch, int]] = {}
    wanted = set(kernels)
    for launch in launches:
        if launch.kernel in wanted:
            longest, count = found.get(launch.kernel, (launch, 0))
            longer = launch.metrics.get(DURATION, 0.0) > longest.metrics.get(DURATION, 0.0)
            found[launch.kernel] = (launch if longer else longest, count + 1)
    return found


def number(text: str, unit: str = "") -> float | None:
    """A cell's value in base units; None for what is no number as the C locale writes it.

    `91,53` is none: with a decimal comma it would be read as nine thousand.
    """
    match = _NUMBER.fullmatch(text.strip())
    return float(text.replace(",", "")) * _factor(unit) if match else None


def _launch(header: list[str], units: list[str], row: list[str]) -> Launch:
    read = {name: number(text, unit) for name, unit, text in zip(header, units, row, strict=True) if "__" in name}
    function = row[header.index(_NAME)].partition("(")[0].strip()  # some versions print the parameters as well
    return Launch(function, {name: value for name, value in read.items() if value is not None})


def _factor(unit: str) -> float:
    """What makes base units of a unit; 1 for those that have none (%, counts, ratios)."""
    match = _UNIT.fullmatch(unit.strip())
    if match is None:
        return 1.0
    factor = _FACTORS[match["prefix"]]
    return factor * _SECOND_NS if match["base"].startswith("s") else factor
