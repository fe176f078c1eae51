import math
import random

import pytest

from evaluator.oracle.statistics import gain, summarise, t_995


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


@pytest.mark.parametrize(
    ("degrees", "expected"), [(1, 63.657), (9, 3.250), (10, 3.169), (11, 3.106), (19, 2.861), (29, 2.756)]
)
def test_student_t_is_that_of_the_tables(degrees: int, expected: float) -> None:
    assert t_995(degrees) == pytest.approx(expected, abs=2e-3)


def test_a_gain_is_a_share_of_the_incumbents_time() -> None:
    found = gain([math.log(0.9)] * 5, "other", 2.0)
    assert found.estimate == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1)
    assert (found.rounds, found.incumbent_ms) == (5, 2.0)


def test_equal_candidates_are_rarely_called_better() -> None:
    generator = random.Random(3)
    wins = sum(gain([generator.gauss(0, 0.01) for _ in range(10)], "a", 1.0).low > 0 for _ in range(2000))
    assert wins / 2000 <= 0.01


def test_one_round_is_no_evidence() -> None:
    with pytest.raises(ValueError, match="two rounds"):
        gain([0.1], "other", 1.0)
