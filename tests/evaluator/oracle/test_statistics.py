import math
import random

import pytest

from evaluator.oracle.statistics import pooled, summarise


def test_the_interval_of_a_median_covers_it() -> None:
    generator = random.Random(7)
    covered = 0
    for _ in range(400):
        timing = summarise([math.exp(generator.gauss(0, 0.1)) for _ in range(60)])
        covered += timing.low_ms <= 1.0 <= timing.high_ms
    assert covered / 400 >= 0.93


def test_few_samples_give_their_whole_range() -> None:
    timing = summarise([3.0, 1.0, 2.0])
    assert (timing.median_ms, timing.low_ms, timing.high_ms) == (2.0, 1.0, 3.0)
    assert timing.samples_ms == (3.0, 1.0, 2.0)


@pytest.mark.parametrize("samples", [[], [0.0], [-1.0, 2.0], [math.nan], [math.inf]])
def test_impossible_times_are_refused(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        summarise(samples)


def test_two_workers_give_one_time_in_an_interval_that_spans_both() -> None:
    first, second = summarise([1.00, 1.01, 1.02]), summarise([1.10, 1.11, 1.12])
    both = pooled(first, second)
    assert both.median_ms == pytest.approx(1.06)
    assert (both.low_ms, both.high_ms) == (1.00, 1.12)
    assert both.samples_ms == first.samples_ms + second.samples_ms
