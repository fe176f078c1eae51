import math

import pytest
import torch

from evaluator.oracle.numerics import Comparison
from evaluator.tasks import Tolerance

TOLERANCE = Tolerance(name="test", rtol=1e-3, atol=1e-3, reference_factor=2.0)


def compare(got: torch.Tensor, truth: torch.Tensor, own: torch.Tensor | None = None) -> Comparison:
    comparison = Comparison(TOLERANCE)
    comparison.add("output 0", got, truth, truth.float() if own is None else own)
    return comparison


def test_equal_tensors_pass() -> None:
    truth = torch.randn(1000, dtype=torch.float64)
    found = compare(truth.float(), truth)
    assert found.problem == ""
    assert found.max_abs < 1e-6


def test_one_wrong_element_is_named() -> None:
    truth = torch.ones(1000, dtype=torch.float64)
    got = truth.float()
    got[417] = 1.5
    found = compare(got, truth)
    assert "element 417: got 1.5, expected 1" in found.problem
    assert found.max_abs == pytest.approx(0.5)


def test_small_outputs_do_not_hide_behind_an_absolute_bound() -> None:
    truth = torch.full((4096,), 1 / 4096, dtype=torch.float64)
    assert compare(torch.zeros(4096), truth).problem
    assert compare((truth * 1.0005).float(), truth).problem == ""


def test_an_unwritten_nan_fails_however_loose_the_tolerance() -> None:
    truth = torch.ones(10, dtype=torch.float64)
    got = truth.float()
    got[3] = math.nan
    comparison = Comparison(Tolerance(name="loose", rtol=1e9, atol=1e9, reference_factor=1e9))
    comparison.add("output 0", got, truth, truth.float())
    assert "element 3" in comparison.problem
    assert comparison.max_abs == math.inf


def test_special_values_must_be_the_same_ones() -> None:
    truth = torch.tensor([math.inf, -math.inf, math.nan, 1.0], dtype=torch.float64)
    assert compare(truth.float(), truth).problem == ""
    assert compare(torch.tensor([math.inf, math.inf, math.nan, 1.0]), truth).problem
    assert compare(torch.tensor([math.inf, -math.inf, 0.0, 1.0]), truth).problem
    assert compare(torch.tensor([3e38, -math.inf, math.nan, 1.0]), truth).problem


def test_nobody_is_asked_to_be_more_exact_than_the_reference() -> None:
    truth = torch.ones(100, dtype=torch.float64)
    own = (truth + 0.01).float()
    assert compare((truth + 0.015).float(), truth, own).problem == ""
    assert compare((truth + 0.025).float(), truth, own).problem


def test_a_result_full_of_zeros_for_a_reference_of_zeros_passes_and_ones_do_not() -> None:
    truth = torch.zeros(8, dtype=torch.float64)
    assert compare(torch.zeros(8), truth).problem == ""
    found = compare(torch.ones(8), truth)
    assert found.problem
    assert found.max_scaled == math.inf


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.bool, torch.uint8])
def test_integers_must_be_equal(dtype: torch.dtype) -> None:
    truth = torch.tensor([0, 1, 1, 0]).to(dtype)
    got = truth.clone()
    assert compare(got, truth, truth).problem == ""
    got[2] = 0
    assert "1 of 4 elements differ" in compare(got, truth, truth).problem


def test_scalars_and_empty_tensors_are_tensors_too() -> None:
    assert compare(torch.tensor(2.0), torch.tensor(2.0, dtype=torch.float64)).problem == ""
    assert compare(torch.tensor(3.0), torch.tensor(2.0, dtype=torch.float64)).problem
    assert compare(torch.empty(0), torch.empty(0, dtype=torch.float64)).problem == ""


def test_slices_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluator.oracle.numerics._SLICE", 7)
    truth = torch.arange(100, dtype=torch.float64)
    got = truth.float()
    got[93] += 50
    assert "element 93" in compare(got, truth).worst
