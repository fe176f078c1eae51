"""The luck of a pair of workers: how far two that run the same code differ for as long as they live."""

import itertools
import math
from collections.abc import Sequence

from evaluator.oracle.statistics import summarise, widened
from evaluator.verdict import Timing

# (milliseconds of a forward, standard deviation of the log ratio between fresh pairs), from an H100 and rounded up
# where few pairs were seen: docs/results/timing-h100.md. `harness calibrate` measures it on other machines.
DEFAULT = ((0.0017, 0.0047), (0.010, 0.0036), (0.046, 0.0012), (0.64, 0.0012))


def placement(forward_ms: float, table: Sequence[tuple[float, float]] = DEFAULT) -> float:
    """Standard deviation for forwards of this length: straight between the table's rows on logarithmic axes."""
    if forward_ms <= table[0][0]:
        return table[0][1]
    for (shorter, above), (longer, below) in itertools.pairwise(table):
        if forward_ms <= longer:
            share = math.log(forward_ms / shorter) / math.log(longer / shorter)
            return math.exp((1 - share) * math.log(above) + share * math.log(below))
    return table[-1][1]


def of_worker(forward_ms: float, table: Sequence[tuple[float, float]] = DEFAULT, workers: int = 1) -> float:
    """Standard deviation of the log of a time that comes from so many workers: a pair's luck is that of two."""
    return placement(forward_ms, table) / math.sqrt(2 * workers)


def timing(samples_ms: list[float], table: Sequence[tuple[float, float]] = DEFAULT, workers: int = 1) -> Timing:
    """The time that samples from so many workers show, its interval widened by the luck of their memory.

    Raises:
        ValueError: no samples, or one that is not a positive number.
    """
    found = summarise(samples_ms)
    return widened(found, of_worker(found.median_ms, table, workers))
