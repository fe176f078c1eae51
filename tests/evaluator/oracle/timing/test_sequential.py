"""The decision rule against simulated rounds whose gain is known; all seeds are fixed."""

import math
import random

import pytest

from evaluator.oracle.timing.placement import DEFAULT, placement
from evaluator.oracle.timing.power import Recorded, share
from evaluator.oracle.timing.sequential import Rule, assess, bounds, fixed


def recorded(gain: float, within: float, between: float, seed: int) -> Recorded:
    """Forty pairs of workers with forty rounds each."""
    generator = random.Random(seed)
    centres = [math.log(1 - gain) + generator.gauss(0, between) for _ in range(40)]
    pairs = tuple(tuple(generator.gauss(centre, within) for _ in range(40)) for centre in centres)
    return Recorded(pairs, equal=gain == 0)


def accepted(gain: float, min_gain: float, within: float, between: float, pairs: int = 1) -> float:
    rule = Rule(min_gain, rounds=12, placement=between)
    found = share(recorded(gain, within, between, 5), rule, pairs, confirming=8, trials=600, generator=random.Random(6))
    return found.hits / found.trials


def test_equals_are_seldom_called_faster_however_often_one_looks() -> None:
    assert accepted(0.0, 0.0, within=0.002, between=0.0005) <= 0.01
    assert accepted(0.0, 0.005, within=0.01, between=0.004, pairs=3) <= 0.01


@pytest.mark.parametrize(("gain", "within", "between", "pairs"), [(0.01, 0.0006, 0.0012, 1), (0.02, 0.0012, 0.0036, 3)])
def test_real_gains_are_recognised(gain: float, within: float, between: float, pairs: int) -> None:
    assert accepted(gain, 0.005, within, between, pairs) >= 0.95


def test_a_gain_below_the_one_asked_for_is_not_accepted() -> None:
    assert accepted(0.005, 0.02, within=0.001, between=0.0005) == 0.0


def test_a_loss_and_a_win_are_decided_at_the_first_look() -> None:
    rule = Rule(0.02, rounds=12, placement=0.0005)
    rounds = [0.1, 0.101, 0.099, 0.1]
    assert assess([rounds], rule)[0] == "reject"
    word, found = assess([[-value for value in rounds]], rule)
    assert word == "accept"
    assert found.low < found.estimate == pytest.approx(1 - math.exp(-0.1))


def test_doubt_asks_for_rounds_then_for_a_pair_then_gives_up() -> None:
    rule = Rule(0.005, rounds=8, placement=0.004)
    doubtful = [-0.006, -0.008, -0.007, -0.007]
    assert assess([doubtful], rule, 2)[0] == "more"
    assert assess([doubtful * 2], rule, 2)[0] == "undecided"
    assert assess([doubtful * 2, doubtful * 2], rule, 2)[0] == "reject"


def test_the_luck_of_a_pair_is_not_averaged_out_by_its_rounds() -> None:
    many = [[-0.01 + 0.0001 * (index % 2) for index in range(200)]]
    assert fixed(many, 0.0).low > 0.009
    assert fixed(many, 0.004).low < 0.001
    assert fixed(many * 4, 0.004).low > 0.004


def test_one_round_is_no_evidence() -> None:
    with pytest.raises(ValueError, match="two rounds"):
        bounds([[0.1]], 0.0, 0.01, 0.01)


def test_looks_end_with_the_last_round() -> None:
    assert Rule(0.02, 12, 0.0).looks == (4, 6, 8, 12)
    assert Rule(0.02, 10, 0.0).looks == (4, 6, 8, 10)
    assert Rule(0.02, 2, 0.0).looks == (3,)


def test_placement_luck_falls_with_the_length_of_a_forward() -> None:
    values = [round(placement(forward_ms), 9) for forward_ms in (0.0005, 0.002, 0.005, 0.02, 0.04, 0.1, 5.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] == DEFAULT[0][1]
    assert values[-1] == DEFAULT[-1][1]
