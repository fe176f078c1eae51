"""What the decision rule says to rounds that were recorded once: how often it is wrong, and how often it sees a gain.

Each trial draws a recorded pair of workers, and rounds of it with replacement; then the very code that decides live
decides. Recorded pairs of equal kernels may be turned around, since it is chance which of two equals was called the
candidate; planted ones may not.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from evaluator.oracle.timing.distributions import clopper_pearson
from evaluator.oracle.timing.sequential import Rule, assess, fixed


@dataclass(frozen=True)
class Recorded:
    """Pairs of workers of one kernel at one planted gain, each with its rounds' log ratios."""

    pairs: tuple[tuple[float, ...], ...]
    equal: bool

    def draw(self, generator: random.Random) -> "Source":
        rounds = generator.choice(self.pairs)
        sign = generator.choice((1.0, -1.0)) if self.equal else 1.0
        return Source(rounds, sign, generator)


@dataclass(frozen=True)
class Source:
    """One pair of workers that can be asked for rounds without end."""

    rounds: Sequence[float]
    sign: float
    generator: random.Random

    def take(self, count: int) -> list[float]:
        return [self.sign * self.generator.choice(self.rounds) for _ in range(count)]


@dataclass(frozen=True)
class Share:
    """`hits` of `trials` decisions were for the candidate; the interval is exact, 95 %."""

    hits: int
    trials: int
    rounds: float  # on average, confirmation included
    pairs: float

    @property
    def interval(self) -> tuple[float, float]:
        return clopper_pearson(self.hits, self.trials)


def accepted(recorded: Recorded, rule: Rule, most_pairs: int, confirming: int, generator: random.Random) -> "Trace":
    """One decision, from nomination to confirmation, as `Trial.against` takes it."""
    source = recorded.draw(generator)
    pairs: list[list[float]] = [[]]
    looks = iter(rule.looks)
    while True:
        pairs[-1] += source.take(next(looks) - len(pairs[-1]))
        word, _ = assess(pairs, rule, most_pairs)
        if word == "undecided":
            source, looks = recorded.draw(generator), iter(rule.looks)
            pairs.append([])
        elif word != "more":
            break
    spent = sum(map(len, pairs))
    if word != "accept":
        return Trace(False, spent, len(pairs))
    if most_pairs > 1:
        source = recorded.draw(generator)
    count = min(max(confirming, len(pairs[-1])), rule.looks[-1])
    found = fixed([source.take(count)], rule.placement)
    return Trace(found.low > 0 and found.estimate >= rule.min_gain, spent + count, len(pairs) + (most_pairs > 1))


@dataclass(frozen=True)
class Trace:
    won: bool
    rounds: int
    pairs: int


def share(
    recorded: Recorded, rule: Rule, most_pairs: int, confirming: int, trials: int, generator: random.Random
) -> Share:
    """How often the candidate is accepted."""
    traces = [accepted(recorded, rule, most_pairs, confirming, generator) for _ in range(trials)]
    won = sum(trace.won for trace in traces)
    rounds, pairs = (sum(values) / trials for values in zip(*((t.rounds, t.pairs) for t in traces), strict=True))
    return Share(won, trials, rounds, pairs)
