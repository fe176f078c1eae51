from types import SimpleNamespace
from typing import Any, cast

import pytest

from evaluator.oracle.timing.audit import Audit
from evaluator.oracle.timing.contestant import Contestant, ring_slots
from evaluator.request import Timer

MB = 1 << 20
L2 = 50 * MB


@pytest.mark.parametrize(
    ("forward_ms", "slot_bytes", "most_bytes", "slots"),
    [
        (0.01, 16 * MB, 4096 * MB, 256),  # bounded by memory: 3 ms of forwards would take 300
        (0.01, 16 * MB, 256 * MB, 16),  # where tensors cross in host memory
        (0.05, 16 * MB, 4096 * MB, 60),  # 3 ms on the oracle's clock
        (0.09, 2 * MB, 4096 * MB, 51),  # more than twice the L2
        (1.0, MB, 4096 * MB, 3),  # timed singly, behind a flush: cold whatever the ring
        (5.0, 3000 * MB, 4096 * MB, 1),
        (0.005, 0, 4096 * MB, 512),
    ],
)
def test_a_ring_is_cold_and_long_enough_for_the_clock(
    forward_ms: float, slot_bytes: int, most_bytes: int, slots: int
) -> None:
    assert ring_slots(forward_ms, slot_bytes, L2, most_bytes) == slots


class Seated(Contestant):
    """One whose audits are given: what a GPU would show."""

    def __init__(self, *sittings: Audit, not_captured: str = "") -> None:
        examination: Any = SimpleNamespace(worker=None, exchange=None)
        super().__init__(examination, cast(Timer, None), L2, 1.0)
        self.left = list(sittings)
        self.not_captured = not_captured
        self.claims_ms = [0.7]
        self.take_audit()

    def take_audit(self) -> Audit:
        self.audit = self.left.pop(0)
        return self.audit


def sitting(forward_ms: float) -> Audit:
    return Audit(6, (0.5, 0.51, 0.5), tuple(0.5 + 6 * forward_ms + noise for noise in (0.0, 0.1, 0.3)))


def test_a_sitting_that_agrees_is_enough() -> None:
    contestant = Seated(sitting(0.7), sitting(0.9))
    assert contestant.undercut() == ""
    assert len(contestant.left) == 1


def test_a_second_sitting_acquits_where_the_gpus_clock_had_not_risen() -> None:
    contestant = Seated(sitting(0.82), sitting(0.7))
    assert contestant.undercut() == ""
    assert contestant.undercut() == "", "and it stays so"


def test_two_sittings_that_contradict_a_claim_convict() -> None:
    assert "at least 0.8 ms on the oracle's clock" in Seated(sitting(0.82), sitting(0.8)).undercut()


def test_where_the_clock_proves_no_lie_there_is_one_sitting() -> None:
    contestant = Seated(sitting(0.82), sitting(0.7), not_captured="it allocates")
    assert contestant.undercut()
    assert len(contestant.left) == 1
