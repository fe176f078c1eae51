"""When to stop comparing, and for which side.

A round yields one number, log(candidate / incumbent). After certain numbers of rounds the decision looks at all of
them. Every look spends an equal part of `ALPHA`: its bound is Student's t at that part, so by the union bound the
chance that any look's lower bound lies above the true gain is at most ALPHA, whatever the looks have to do with each
other (the linear spending function of Lan and DeMets, Biometrika 70, 1983, without its gain from correlation).
Stopping for futility is non-binding: it can only lose a win.

Rounds of one pair of workers share the luck of where their memory came to lie. Its standard deviation is known
(`placement`) and part of every bound: rounds can't average it out, pairs of workers do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean
from typing import Literal

from evaluator.oracle.timing.distributions import t_quantile
from evaluator.verdict import Gain

ALPHA = 0.005
_FUTILE = 0.025  # one-sided: the gain asked for is this unlikely
_LOOKS = (4, 6, 8, 12, 16, 24, 32, 48, 64)
FEWEST = 3

Word = Literal["accept", "reject", "more", "undecided"]


@dataclass(frozen=True)
class Rule:
    """How much is asked of a gain.

    Args:
        min_gain: fraction of the incumbent's time.
        rounds: at most so many for each pair of workers.
        placement: standard deviation of log ratios between pairs of workers that run the same code.
        alpha: chance of a lower bound above the truth, over all looks.
    """

    min_gain: float
    rounds: int
    placement: float
    alpha: float = ALPHA

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of rounds of a pair after which to look."""
        return (*(look for look in _LOOKS if look < self.rounds), max(self.rounds, FEWEST))


@dataclass(frozen=True)
class Bounds:
    """A gain and its one-sided bounds, fractions of the incumbent's time."""

    estimate: float
    low: float
    high: float

    def gain(self, incumbent: str, incumbent_ms: float, rounds: int, pairs: int, confirmed: bool) -> Gain:
        """As part of a verdict."""
        return Gain(
            estimate=self.estimate,
            low=self.low,
            incumbent=incumbent,
            incumbent_ms=incumbent_ms,
            rounds=rounds,
            pairs=pairs,
            confirmed=confirmed,
        )


def bounds(pairs: Sequence[Sequence[float]], placement: float, alpha_low: float, alpha_high: float) -> Bounds:
    """The gain over all pairs of workers, each with its rounds' log ratios.

    What varies within pairs is pooled over them and bounded by Student's t; what varies between pairs, `placement`, is
    taken as known and bounded by the normal distribution. The two margins are added, which is wider than both at once.

    Raises:
        ValueError: no pair has two rounds.
    """
    degrees = sum(len(rounds) - 1 for rounds in pairs)
    if degrees < 1 or not all(pairs):
        raise ValueError("a gain needs at least two rounds")
    centres = [mean(rounds) for rounds in pairs]
    within = sum((x - m) ** 2 for rounds, m in zip(pairs, centres, strict=True) for x in rounds) / degrees
    count = len(pairs)
    error = math.sqrt(within * sum(1 / len(rounds) for rounds in pairs)) / count
    luck = placement / math.sqrt(count)
    centre = mean(centres)
    return Bounds(
        estimate=1 - math.exp(centre),
        low=1 - math.exp(centre + _margin(alpha_low, degrees, error, luck)),
        high=1 - math.exp(centre - _margin(alpha_high, degrees, error, luck)),
    )


def _margin(alpha: float, degrees: int, error: float, luck: float) -> float:
    return t_quantile(1 - alpha, degrees) * error + NormalDist().inv_cdf(1 - alpha) * luck


def assess(pairs: Sequence[Sequence[float]], rule: Rule, most_pairs: int = 1) -> tuple[Word, Bounds]:
    """What the rounds so far say; call it when the last pair has as many as one of `rule.looks`.

    `more`: take more rounds of this pair. `undecided`: this pair has told all it can; a fresh pair may tell more.
    """
    looks = rule.looks
    share = rule.alpha / (len(looks) * most_pairs)
    found = bounds(pairs, rule.placement, share, _FUTILE)
    if found.low > 0 and found.estimate >= rule.min_gain:
        return "accept", found
    if found.high < rule.min_gain:
        return "reject", found
    if len(pairs[-1]) < looks[-1]:
        return "more", found
    return ("undecided" if len(pairs) < most_pairs else "reject"), found


def fixed(pairs: Sequence[Sequence[float]], placement: float) -> Bounds:
    """The gain from a number of rounds that was settled beforehand: one look with all of ALPHA."""
    return bounds(pairs, placement, ALPHA, ALPHA)
