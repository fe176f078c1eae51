import pytest

from evaluator.oracle.timing.audit import Audit

from .quiet import Claimant


class Seated(Claimant):
    """One whose audits are given."""

    def __init__(self, *sittings: Audit, not_captured: str = "") -> None:
        super().__init__(0.7, not_captured=not_captured)
        self.left = list(sittings)
        self.take_audit()

    def take_audit(self) -> Audit:
        self.audit = self.left.pop(0)
        return self.audit


def sitting(forward_ms: float, *disturbed: float) -> Audit:
    """Of a ring of six; milliseconds that every command took longer, by turns."""
    late = disturbed or (0.0,)
    empty = tuple(0.5 + noise + late[index % len(late)] for index, noise in enumerate((0.0, 0.01, 0.0, 0.0, 0.0, 0.02)))
    full = tuple(
        0.5 + 6 * forward_ms + noise + late[-1 - index % len(late)] for index, noise in enumerate((0.0, 0.1, 0.3))
    )
    return Audit(6, empty, full)


def test_a_sitting_that_agrees_is_enough() -> None:
    contestant = Seated(sitting(0.7), sitting(0.9))
    assert contestant.undercut([0.7], False) is None
    assert len(contestant.left) == 1


def test_a_second_sitting_acquits_where_the_gpus_clock_had_not_risen() -> None:
    contestant = Seated(sitting(0.82), sitting(0.7))
    assert contestant.undercut([0.7], False) is None
    assert contestant.undercut([0.7], False) is None, "and it stays so"


def test_sittings_that_all_contradict_a_claim_convict() -> None:
    contestant = Seated(*[sitting(forward_ms) for forward_ms in (0.82, 0.8, 0.81, 0.8)])
    found = contestant.undercut([0.7], False)
    assert found is not None
    assert "at least 0.8 ms on the oracle's clock" in found.problem
    assert (found.forward_ms, found.proven) == (pytest.approx(0.8), True)
    assert not contestant.left


def test_a_machine_that_is_busy_now_and_then_convicts_nobody() -> None:
    late = (0.0, 1.7, 2.4)
    assert sitting(0.7, *late).undercut([0.7]) == ""
    quiet_while_nothing_ran = Audit(6, (0.5,) * 6, (6.3, 6.9, 7.1))
    contestant = Seated(quiet_while_nothing_ran, sitting(0.7, *late), sitting(0.7))
    assert contestant.undercut([0.7], False) is None


def test_a_machine_that_was_busy_for_a_sitting_acquits_no_liar() -> None:
    noisy = sitting(1.0, 0.1, 3.0, 2.2)
    assert noisy.undercut([0.7]) == "", "by itself it says nothing"
    assert Seated(sitting(1.0), noisy, sitting(1.0), sitting(1.0)).undercut([0.7], False)


def test_what_one_sitting_leaves_in_doubt_takes_another() -> None:
    within = Seated(sitting(0.74), sitting(0.7))
    assert within.undercut([0.7], False) is None
    assert not within.left
    beyond = Seated(*[sitting(0.77)] * 4)
    assert beyond.undercut([0.7], False)
    assert not beyond.left


def test_where_no_lie_can_be_proved_a_busy_moment_is_not_taken_for_the_time_either() -> None:
    contestant = Seated(sitting(0.82), sitting(0.7), not_captured="it allocates")
    assert contestant.undercut([0.7], False) is None
