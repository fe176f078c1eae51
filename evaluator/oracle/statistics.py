"""From samples to statements: the interval of a median, and the gain of one candidate over another."""

import math
from statistics import NormalDist, mean, median, stdev

from evaluator.verdict import Gain, Timing

# Upper 99.5 % points of Student's t by degrees of freedom (any table of the distribution); beyond them, the
# Cornish-Fisher expansion of the normal point is right to two parts in a thousand.
_T_995 = (63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169)


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


def pooled(first: Timing, second: Timing) -> Timing:
    """Times of the same code in two workers: the median of both, in an interval that spans both.

    Where a worker's memory lies is luck that no number of samples in that worker shows.
    """
    samples = (*first.samples_ms, *second.samples_ms)
    return Timing(
        median_ms=(first.median_ms + second.median_ms) / 2,
        low_ms=min(first.low_ms, second.low_ms),
        high_ms=max(first.high_ms, second.high_ms),
        samples_ms=samples,
    )


def gain(log_ratios: list[float], incumbent: str, incumbent_ms: float) -> Gain:
    """The gain from one log(candidate / incumbent) a round.

    The rounds' mean cancels drift, since each round alternates the two in ABBA order. `low` is the lower one-sided
    99.5 % bound by Student's t over rounds.

    Raises:
        ValueError: fewer than two rounds.
    """
    rounds = len(log_ratios)
    if rounds < 2:
        raise ValueError("a gain needs at least two rounds")
    centre = mean(log_ratios)
    margin = t_995(rounds - 1) * stdev(log_ratios) / math.sqrt(rounds)
    return Gain(
        estimate=1 - math.exp(centre),
        low=1 - math.exp(centre + margin),
        incumbent=incumbent,
        incumbent_ms=incumbent_ms,
        rounds=rounds,
    )


def t_995(degrees: int) -> float:
    """The upper 99.5 % point of Student's t."""
    if degrees <= len(_T_995):
        return _T_995[degrees - 1]
    z = NormalDist().inv_cdf(0.995)
    first = (z**3 + z) / (4 * degrees)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    return z + first + second + third
