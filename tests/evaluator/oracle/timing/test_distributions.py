import math
from math import comb

import pytest

from evaluator.oracle.timing.distributions import beta_cdf, clopper_pearson, t_quantile


@pytest.mark.parametrize(
    ("probability", "degrees", "expected"),
    [(0.995, 1, 63.657), (0.995, 9, 3.250), (0.975, 4, 2.776), (0.9995, 29, 3.659), (0.05, 9, -1.833)],
)
def test_student_t_is_that_of_the_tables(probability: float, degrees: int, expected: float) -> None:
    assert t_quantile(probability, degrees) == pytest.approx(expected, abs=1e-3)


def test_the_beta_distribution_is_the_tail_of_the_binomial() -> None:
    trials, hits, share = 30, 7, 0.31
    tail = sum(comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(hits, trials + 1))
    assert beta_cdf(share, hits, trials - hits + 1) == pytest.approx(tail, rel=1e-12)


def test_the_exact_interval_has_its_tails() -> None:
    assert clopper_pearson(0, 300)[0] == 0.0
    assert clopper_pearson(0, 300)[1] == pytest.approx(1 - 0.025 ** (1 / 300), rel=1e-9)
    assert clopper_pearson(300, 300)[1] == 1.0
    low, high = clopper_pearson(5, 40)
    at_least = sum(comb(40, k) * low**k * (1 - low) ** (40 - k) for k in range(5, 41))
    at_most = sum(comb(40, k) * high**k * (1 - high) ** (40 - k) for k in range(6))
    assert math.isclose(at_least, 0.025, rel_tol=1e-6)
    assert math.isclose(at_most, 0.025, rel_tol=1e-6)
