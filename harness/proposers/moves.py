"""Changes of a kernel's structure that a stage's parameters stand for, each with the rewriting that makes it.

Where a kernel already has the parameter, it is varied like any other; a move is how it comes to have it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.proposers.descriptors import DESCRIPTORS, by_descriptors
from harness.proposers.module import NotRecognised
from harness.proposers.ordering import GROUP, grouped
from harness.proposers.passes import in_one_pass
from harness.proposers.rewriting import read_kernels, set_knobs
from harness.proposers.rows import ROWS, several_rows

PASSES = "ROW_PASSES"
WHOLE_ROW_WARPS = (8, 16, 4)  # a whole row wants more threads than the part of one that the code was written for


@dataclass(frozen=True)
class Variation:
    """The source with one kernel changed, and the change in a line."""

    source: str
    change: str


def moves(source: str, kernel: str, parameter: str, value: int) -> Iterator[Variation]:
    """What giving a kernel this parameter comes to; nothing where its form is not the one that is understood."""
    make = _MOVES.get(parameter)
    if make is None:
        return
    try:
        yield from make(source, kernel, value)
    except NotRecognised:
        return


def _several_rows(source: str, kernel: str, value: int) -> Iterator[Variation]:
    yield Variation(several_rows(source, kernel, value), f"rows a program 1 -> {value} in {kernel}")


def _grouped(source: str, kernel: str, value: int) -> Iterator[Variation]:
    yield Variation(grouped(source, kernel, value), f"tiles in groups of {value} rows in {kernel}")


def _by_descriptors(source: str, kernel: str, value: int) -> Iterator[Variation]:
    if value == 1:
        yield Variation(by_descriptors(source, kernel), f"tensor descriptors and persistent programs in {kernel}")


def _in_one_pass(source: str, kernel: str, value: int) -> Iterator[Variation]:
    if value != 1:
        return
    whole = in_one_pass(source, kernel)
    (read,) = (each for each in read_kernels(whole) if each.name == kernel)
    said = f"a whole row in one block in {kernel}"
    if "num_warps" not in read.knobs:
        yield Variation(whole, said)
        return
    for warps in WHOLE_ROW_WARPS:
        yield Variation(set_knobs(whole, read, {"num_warps": warps}), f"{said}, num_warps {warps}")


_MOVES: dict[str, Callable[[str, str, int], Iterator[Variation]]] = {
    ROWS: _several_rows,
    GROUP: _grouped,
    PASSES: _in_one_pass,
    DESCRIPTORS: _by_descriptors,
}
MOVES = frozenset(_MOVES)
