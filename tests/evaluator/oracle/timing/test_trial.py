"""Every worker whose times go into a result is held against the oracle's clock."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import pytest

from evaluator.oracle.charges import Violation
from evaluator.oracle.timing.audit import Audit, Contradiction
from evaluator.oracle.timing.interleaving import IncumbentFailure
from evaluator.oracle.timing.trial import FreshPair, Outcome, Trial
from evaluator.request import Timer

from .quiet import Calm, Claimant


def trial() -> Trial:
    canary: Any = Calm()
    return Trial(Timer(placement=((1.0, 0.0001),)), canary=canary)


def pairs(*made: tuple[Claimant, Claimant]) -> FreshPair:
    left = list(made)

    @contextmanager
    def fresh() -> Iterator[tuple[Claimant, Claimant]]:
        yield left.pop(0)

    return fresh


def against(ours: Claimant, theirs: Claimant, fresh: FreshPair) -> Outcome:
    return trial().against(ours, theirs, "digest", 0.005, fresh)


def test_a_gain_that_a_fresh_pair_confirms_is_one() -> None:
    outcome = against(Claimant(0.9), Claimant(1.0), pairs((Claimant(0.92), Claimant(1.0))))
    assert outcome.gain is not None
    assert outcome.gain.confirmed
    assert outcome.gain.estimate == pytest.approx(0.08), "the rounds that nominated it have no part in it"
    assert outcome.time.median_ms == pytest.approx(0.92)


def test_a_worker_that_lies_where_it_is_nominated_is_convicted() -> None:
    with pytest.raises(Violation, match=r"claims 0.5 ms a forward, which took at least 1 ms"):
        against(Claimant(0.5, true_ms=1.0), Claimant(1.0), pairs())


def test_a_worker_that_lies_only_where_it_is_confirmed_is_convicted() -> None:
    with pytest.raises(Violation, match=r"claims 0.5 ms a forward, which took at least 0.9 ms"):
        against(Claimant(0.9), Claimant(1.0), pairs((Claimant(0.5, true_ms=0.9), Claimant(1.0))))


def test_an_incumbent_that_lies_is_no_fault_of_the_candidate() -> None:
    with pytest.raises(IncumbentFailure):
        against(Claimant(0.9), Claimant(1.0), pairs((Claimant(0.9), Claimant(1.0, true_ms=2.0))))


def test_nobody_runs_while_another_is_made_ready_or_audited() -> None:
    """A candidate that keeps the GPU busy would make its opponent's forwards longer than they are claimed to be."""

    class Watchful(Claimant):
        beside: Claimant

        def prepare(self) -> None:
            assert self.beside.frozen
            super().prepare()

        def take_audit(self) -> Audit:
            assert self.beside.frozen
            return super().take_audit()

        def undercut(self, claims_ms: Sequence[float], around: bool) -> Contradiction | None:
            assert self.beside.frozen
            return super().undercut(claims_ms, around)

    both = [(Watchful(0.9), Watchful(1.0)) for _ in range(2)]
    for ours, theirs in both:
        ours.beside, theirs.beside = theirs, ours
    outcome = against(*both[0], pairs(both[1]))
    assert outcome.gain is not None
    assert outcome.gain.confirmed
    assert not any(each.frozen for pair in both for each in pair)


def test_claims_that_do_not_count_acquit_nobody() -> None:
    """Three blocks of void rounds tell the truth for two that count and do not: the median of all would be true."""

    class Called(Calm):
        answers = cycle([False, True] * 3 + [False] * 4)

        def slow(self) -> bool:
            return next(self.answers)

    ours = Claimant(*[0.9, 0.9, 0.9, 0.5, 0.5] * 30, true_ms=0.9)
    canary: Any = Called()
    with pytest.raises(Violation, match=r"claims 0.5 ms a forward"):
        Trial(Timer(placement=((1.0, 0.0001),)), canary=canary).against(ours, Claimant(1.0), "digest", 0.005, pairs())


def test_few_claims_that_are_far_too_low_are_not_hidden_by_a_median() -> None:
    lies = [0.9, 0.9, 0.9, 0.1, 0.1] * 20
    candidate = Claimant(0.9)
    candidate.take_audit()
    assert candidate.undercut(lies, False)
    assert candidate.undercut([0.9] * 100, False) is None


def test_the_oracles_clock_counts_for_what_can_not_be_captured() -> None:
    ours = Claimant(0.5, true_ms=0.9, not_captured="it allocates")
    fresh = Claimant(0.5, true_ms=0.95, not_captured="it allocates")
    outcome = against(ours, Claimant(2.0), pairs((fresh, Claimant(2.0))))
    assert outcome.time.median_ms == pytest.approx(0.95)
    assert outcome.gain is not None
    assert outcome.gain.estimate == pytest.approx(1 - 0.95 / 2.0)
    assert any("time is 0.95 ms a forward, since it claims 0.5 ms" in note for note in outcome.notes)


def test_a_worker_that_is_slower_on_inputs_it_has_not_seen_is_convicted() -> None:
    """By a tenth, which the oracle's clock allows."""
    with pytest.raises(Violation, match=r"claims 0.9 ms a forward, which takes at least 1 ms on inputs"):
        against(Claimant(0.9, fresh_ms=1.0), Claimant(1.0), pairs())
    with pytest.raises(Violation, match=r"claims 0.9 ms a forward, which takes at least 1 ms on inputs"):
        against(Claimant(0.9), Claimant(1.0), pairs((Claimant(0.9, fresh_ms=1.0), Claimant(1.0))))
    with pytest.raises(IncumbentFailure):
        against(Claimant(0.9), Claimant(1.0, fresh_ms=1.1), pairs())


def test_a_gpu_whose_clock_fell_convicts_nobody_and_its_last_time_counts() -> None:
    outcome = trial().alone(Claimant(0.9, fresh_ms=1.0, known_ms=1.0))
    assert outcome.time.median_ms == pytest.approx(1.0)
    assert any(
        "since it claims 0.9 ms a forward, which takes at least 1 ms on inputs" in note for note in outcome.notes
    )


def test_of_ways_that_are_enqueued_the_host_may_be_slow_at_the_first() -> None:
    outcome = trial().alone(Claimant(0.05, fresh_ms=0.06, not_captured="it allocates"))
    assert outcome.time.median_ms == pytest.approx(0.06)
    with pytest.raises(Violation):
        trial().alone(Claimant(0.5, fresh_ms=0.6, not_captured="it allocates"))


@pytest.mark.parametrize(("forward_ms", "coarse"), [(1.0, False), (0.02, True)])
def test_a_clock_that_would_admit_far_less_says_so(forward_ms: float, coarse: bool) -> None:
    outcome = trial().alone(Claimant(forward_ms))
    assert any("the time is the worker's word" in note for note in outcome.notes) is coarse
