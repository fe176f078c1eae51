"""Rounds in which something else ran are taken again; what a GPU would show is given."""

import math
from typing import Any

import pytest

from evaluator.oracle.timing.interleaving import Disturbance, Interleaving, affordable, repeats, unsteady
from evaluator.request import Timer

from .quiet import Calm, Claimant


def interleaving(ours: Claimant, theirs: Claimant) -> Interleaving:
    canary: Any = Calm()
    return Interleaving(ours, theirs, Timer(), canary)


def test_steady_rounds_give_the_ratio() -> None:
    with interleaving(Claimant(0.98), Claimant(1.0)) as session:
        session.take(4)
    assert session.rounds.log_ratios == pytest.approx([math.log(0.98)] * 4)
    assert session.rounds.dropped == []


@pytest.mark.parametrize("late", [1.02, 1.5])
def test_a_round_in_which_something_else_ran_is_taken_again(late: float) -> None:
    theirs = Claimant(1.0, 1.0, late, 1.0, 1.0)
    with interleaving(Claimant(0.98), theirs) as session:
        session.take(4)
    assert session.rounds.log_ratios == pytest.approx([math.log(0.98)] * 4)
    assert session.rounds.dropped == ["incumbent"]
    assert set(session.rounds.theirs_ms) == {1.0}


def test_drift_is_no_disturbance() -> None:
    assert unsteady([[1.0], [1.009]], [[1.003], [1.006]]) == ""
    assert unsteady([[1.0], [1.02]], [[1.0], [1.0]]) == "candidate"


def test_a_kernel_that_never_takes_the_same_time_is_measured_all_the_same() -> None:
    restless = Claimant(*[1.0, 1.1] * 40)
    with interleaving(restless, Claimant(1.0)) as session:
        session.take(8)
    assert len(session.rounds.log_ratios) == 8
    assert len(session.rounds.dropped) == 2


def test_a_gpu_that_does_not_come_to_rest_ends_it() -> None:
    class Restless(Calm):
        def slow(self) -> bool:
            return True

    canary: Any = Restless()
    session = Interleaving(Claimant(1.0), Claimant(1.0), Timer(), canary)
    with session, pytest.raises(Disturbance, match="each time the incumbent had been stopped"):
        session.take(1)
    assert session.rounds.log_ratios == []


@pytest.mark.parametrize(
    ("stretch_ms", "times", "rounds"),
    [(0.05, 40, 12), (1.9, 4, 12), (15.0, 2, 12), (25.0, 1, 12), (94.0, 1, 5), (500.0, 1, 3)],
)
def test_long_kernels_are_timed_in_as_many_rounds_as_there_is_time_for(
    stretch_ms: float, times: int, rounds: int
) -> None:
    """Two measurements a block left three rounds at 94 ms: one gain of 1 % in two was missed on an H100."""
    assert repeats(stretch_ms, Timer()) == times
    assert affordable(stretch_ms, Timer()) == rounds
