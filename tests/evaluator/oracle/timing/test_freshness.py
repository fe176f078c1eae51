from itertools import cycle

import pytest

from evaluator.oracle.timing.freshness import slower


def tried(fresh_ms: list[float], *more: float, claim_ms: float = 1.0, slots: int = 50) -> tuple[str, int]:
    left = cycle(more)
    held = list(fresh_ms)
    problem = slower([claim_ms] * 5, held, slots, lambda: next(left))
    return problem, len(held)


def test_one_try_acquits_where_it_takes_no_longer() -> None:
    assert tried([1.001], 9.0) == ("", 1)


@pytest.mark.parametrize("late", [1.5, 9.0])
def test_a_quick_try_acquits_after_late_ones(late: float) -> None:
    assert tried([late, late], late, 1.0) == ("", 4)


def test_nobody_is_convicted_by_few_tries() -> None:
    problem, tries = tried([1.1], 1.2, 1.1)
    assert "claims 1 ms a forward, which takes at least 1.1 ms on inputs that it meets for the first time" in problem
    assert tries == 8


def test_a_way_around_the_ring_may_start_late_and_single_forwards_may_not() -> None:
    assert tried([0.00511], 0.00511, claim_ms=0.005, slots=300)[0] == ""
    assert tried([0.00514], 0.00514, claim_ms=0.005, slots=300)[0] != ""
    assert tried([0.511], 0.511, claim_ms=0.5, slots=0)[0] != ""
    assert tried([0.509], 0.509, claim_ms=0.5, slots=0)[0] == ""
