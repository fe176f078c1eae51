import math
import random

import pytest

from evaluator.oracle.timing.placement import DEFAULT, of_worker, placement, timing

TABLE = ((1.0, 0.02),)


def test_a_pairs_luck_is_that_of_two_workers() -> None:
    assert of_worker(0.0017) == pytest.approx(DEFAULT[0][1] / math.sqrt(2))
    assert math.hypot(of_worker(0.02), of_worker(0.02)) == pytest.approx(placement(0.02))
    assert of_worker(0.02, workers=4) == pytest.approx(of_worker(0.02) / 2)


def test_an_interval_covers_what_another_worker_will_show() -> None:
    """Samples of one worker are close together and all off by the same luck; the true time is 1 ms."""
    generator = random.Random(11)
    covered = 0
    for _ in range(400):
        luck = math.exp(generator.gauss(0, 0.02 / math.sqrt(2)))
        found = timing([luck * math.exp(generator.gauss(0, 1e-4)) for _ in range(24)], TABLE)
        covered += found.low_ms <= 1.0 <= found.high_ms
    assert 0.93 <= covered / 400 <= 0.98


def test_more_workers_make_the_interval_narrower() -> None:
    one, four = timing([1.0] * 9, TABLE), timing([1.0] * 9, TABLE, workers=4)
    assert math.log(one.high_ms / one.low_ms) == pytest.approx(2 * math.log(four.high_ms / four.low_ms))
    assert one.median_ms == four.median_ms == 1.0
