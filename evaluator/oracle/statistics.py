"""From samples of one worker or two to a time with its interval."""

import math
from statistics import NormalDist, median

from evaluator.verdict import Timing


def summarise(samples_ms: list[float]) -> Timing:
    """The median and its distribution-free 95 % interval from order statistics (binomial, normal approximation).

    Raises:
        ValueError: no samples, or one that is not a positive number.
    """
    if not samples_ms or not all(math.isfinite(sample) and sample > 0 for sample in samples_ms):
        raise ValueError("times must be positive numbers")
    ordered = sorted(samples_ms)
    half_width = NormalDist().inv_cdf(0.975) * math.sqrt(len(ordered)) / 2
    low = max(0, math.floor(len(ordered) / 2 - half_width))
    high = min(len(ordered) - 1, math.ceil(len(ordered) / 2 + half_width))
    return Timing(median_ms=median(ordered), low_ms=ordered[low], high_ms=ordered[high], samples_ms=tuple(samples_ms))


def widened(timing: Timing, deviation: float) -> Timing:
    """The interval with the luck of where a worker's memory lies, which no number of samples in that worker shows.

    Args:
        deviation: standard deviation of the logarithm of the time between workers that run the same code.
    """
    reach = math.exp(NormalDist().inv_cdf(0.975) * deviation)
    return timing.model_copy(update={"low_ms": timing.low_ms / reach, "high_ms": timing.high_ms * reach})


def pooled(first: Timing, second: Timing) -> Timing:
    """Times of the same code in two workers: the middle between their medians, in an interval that spans both."""
    samples = (*first.samples_ms, *second.samples_ms)
    return Timing(
        median_ms=(first.median_ms + second.median_ms) / 2,
        low_ms=min(first.low_ms, second.low_ms),
        high_ms=max(first.high_ms, second.high_ms),
        samples_ms=samples,
    )
