import math
from pathlib import Path

import pytest

from evaluator.errors import StoreError
from evaluator.request import EvaluatorSettings, Timer
from evaluator.verdict import Gain
from harness import calibration, cli

FINGERPRINT = "f" * 16


def gain(estimate: float, margin: float = 0.004) -> Gain:
    return Gain(estimate=estimate, low=estimate - margin, incumbent="a" * 64, incumbent_ms=0.5, rounds=12)


def test_the_smallest_gain_has_to_clear_its_margin_and_the_luck_of_pairs() -> None:
    found = calibration.summarise("softmax", "some GPU", [gain(0.001), gain(-0.001), gain(0.001), gain(-0.001)])
    assert found.between_pairs == pytest.approx(0.001, rel=1e-2)
    assert found.smallest_gain == pytest.approx(0.004 + 1.645 * 0.001, rel=1e-2)
    assert (found.forward_ms, found.comparisons) == (0.5, 4)


def test_what_was_found_widens_later_bounds_on_the_same_machine(tmp_path: Path) -> None:
    found = calibration.summarise("softmax", "some GPU", [gain(0.002), gain(-0.002)])
    calibration.keep(tmp_path, FINGERPRINT, "a" * 64, found.model_copy(update={"forward_ms": 3.0}))
    calibration.keep(tmp_path, FINGERPRINT, "b" * 64, found)
    applied = calibration.apply(EvaluatorSettings(), tmp_path, FINGERPRINT)
    assert [forward_ms for forward_ms, _ in applied.timer.placement] == [0.5, 3.0]
    assert math.isclose(applied.timer.placement[0][1], 0.002, rel_tol=1e-2)
    assert calibration.apply(EvaluatorSettings(), tmp_path, "0" * 16) == EvaluatorSettings()


def test_settings_that_say_something_themselves_are_left_alone(tmp_path: Path) -> None:
    calibration.keep(tmp_path, FINGERPRINT, "a" * 64, calibration.summarise("t", "g", [gain(0.0), gain(0.001)]))
    own = EvaluatorSettings(timer=Timer(placement=((1.0, 0.01),)))
    assert calibration.apply(own, tmp_path, FINGERPRINT) == own


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        calibration.apply(EvaluatorSettings(), tmp_path, FINGERPRINT)


def test_without_a_gpu_there_is_nothing_to_calibrate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["calibrate", "--task", "softmax", "evaluator.device=none", f"store.root={tmp_path}"]
    assert cli.main(words) == 3
    assert "no GPU" in capsys.readouterr().err
