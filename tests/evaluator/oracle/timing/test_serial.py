import pytest

from evaluator.oracle.timing.serial import Series, compare


def series(ms: float, canary_ms: float = 0.2) -> Series:
    return Series(tuple((ms * (1 + 0.0005 * index), ms) for index in range(12)), canary_ms)


def test_a_gain_between_two_equal_series_is_seen() -> None:
    gain, _ = compare(series(0.9), series(1.0), series(0.9), "a" * 64, luck=0.001)
    assert gain.estimate == pytest.approx(0.1, abs=1e-3)
    assert gain.low > 0.09


def test_drift_between_the_candidates_series_takes_the_gain_away() -> None:
    gain, note = compare(series(0.98), series(1.0), series(0.96), "a" * 64, luck=0.001)
    assert gain.estimate == pytest.approx(0.03, abs=2e-3)
    assert gain.low < 0
    assert "differ by 2.06%" in note


def test_the_canary_is_in_the_note() -> None:
    assert "canary kernel by 4.88%" in compare(series(1.0), series(1.0, 0.21), series(1.0), "a" * 64, 0.001)[1]
