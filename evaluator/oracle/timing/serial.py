"""Where candidate and incumbent do not fit the card together (P8): one after the other, and the candidate again.

Each series has a worker of its own. What drift there was shows between the candidate's two series and in the canary's
time beside each; it is added to the luck of a pair, so that it widens the bound.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

import torch

from evaluator.oracle.timing.contestant import Contestant
from evaluator.oracle.timing.sequential import fixed
from evaluator.verdict import Gain

_CONTEXT_BYTES = 600 << 20  # a CUDA context and its modules
_OWN_CONTEXTS = 2  # the oracle's, and that of the worker that meets no candidate
_COPIES = 3  # of inputs and outputs: lent, the worker's own outputs, and what a forward needs between


@dataclass(frozen=True)
class Series:
    """Blocks of one worker by itself, and how long the canary took meanwhile."""

    blocks_ms: tuple[tuple[float, ...], ...]
    canary_ms: float

    @property
    def logs(self) -> list[float]:
        """Logarithm of each block's median."""
        return [math.log(median(block)) for block in self.blocks_ms]

    @property
    def samples_ms(self) -> list[float]:
        return [sample for block in self.blocks_ms for sample in block]


def footprint(contestant: Contestant, l2_bytes: int) -> int:
    """Estimated bytes of GPU memory that timing one worker takes."""
    return _COPIES * contestant.slot_bytes + 2 * contestant.ring_bytes + 2 * l2_bytes + _CONTEXT_BYTES


def fits_twice(contestant: Contestant, l2_bytes: int, cap_gb: float | None) -> bool:
    """Whether two such workers can be there at the same time."""
    total = torch.cuda.get_device_properties(0).total_memory - _OWN_CONTEXTS * _CONTEXT_BYTES
    allowed = total if cap_gb is None else min(total, cap_gb * 1e9)
    return bool(2 * footprint(contestant, l2_bytes) <= allowed)


def compare(first: Series, theirs: Series, again: Series, incumbent: str, luck: float) -> tuple[Gain, str]:
    """What the candidate's two series gained over the incumbent's one between them, and a note of how.

    Args:
        luck: standard deviation between pairs of workers that run the same code.
    """
    drift = abs(mean(first.logs) - mean(again.logs))
    canaries = [series.canary_ms for series in (first, theirs, again)]
    wobble = math.log(max(canaries) / min(canaries))
    ratios = _ratios(first.logs, theirs.logs, again.logs)
    found = fixed([ratios], math.hypot(luck, drift))
    gain = found.gain(incumbent, median(theirs.samples_ms), len(ratios), pairs=1, confirmed=False)
    note = (
        "candidate and incumbent do not fit the card together: one after the other, the candidate twice; its series "
        f"differ by {drift:.2%}, the canary kernel by {wobble:.2%}"
    )
    return gain, note


def _ratios(first: Sequence[float], theirs: Sequence[float], again: Sequence[float]) -> list[float]:
    return [(a + c) / 2 - b for a, b, c in zip(first, theirs, again, strict=False)]
