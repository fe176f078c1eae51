import pytest

from evaluator.oracle.timing.audit import Audit


def audit(forward_ms: float, forwards: int) -> Audit:
    """What an honest worker's commands look like: half a millisecond for themselves, and the forwards."""
    full = tuple(0.5 + noise + forward_ms * forwards for noise in (0.09, 0.05, 0.3))
    return Audit(forwards, (0.5, 0.52, 0.51, 0.9, 0.5), full)


@pytest.mark.parametrize(("forward_ms", "forwards"), [(0.005, 512), (0.05, 60), (0.5, 6), (20.0, 1)])
def test_honest_claims_stand(forward_ms: float, forwards: int) -> None:
    assert audit(forward_ms, forwards).undercut([forward_ms * factor for factor in (0.99, 1.0, 1.02)]) == ""


@pytest.mark.parametrize(("forward_ms", "forwards"), [(0.005, 512), (0.05, 60), (0.5, 6), (20.0, 1)])
def test_claims_far_below_the_oracles_clock_do_not(forward_ms: float, forwards: int) -> None:
    problem = audit(forward_ms, forwards).undercut([0.8 * forward_ms])
    assert "on the oracle's clock" in problem


def test_claims_above_the_clock_are_their_makers_loss() -> None:
    assert audit(0.5, 6).undercut([0.9]) == ""


def test_a_slow_command_now_and_then_convicts_nobody() -> None:
    late = Audit(6, (0.5, 0.51, 9.0), (12.0, 3.55, 40.0))
    assert late.undercut([0.5]) == ""
