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


def test_a_row_of_small_values_does_not_hide_behind_a_row_of_large_ones() -> None:
    truth = torch.randn(4, 64, dtype=torch.float64)
    truth[1] *= 1e6
    got = truth.float()
    got[2] = 0
    assert compare(got, truth).problem == "", "by one RMS for the whole tensor nobody sees it"
    comparison = Comparison(TOLERANCE.model_copy(update={"by_row": True, "reference_factor": 0.0}))
    comparison.add("output 0", got, truth, truth.float())
    assert "64 of 256 elements" in comparison.problem


def test_rows_of_a_few_elements_are_joined_until_their_rms_means_something() -> None:
    truth = torch.randn(100, 16, 4, dtype=torch.float64)
    truth[7, 3] = torch.randn(4) * 1e-9
    got = truth.float() + 1e-5
    comparison = Comparison(TOLERANCE.model_copy(update={"by_row": True}))
    comparison.add("output 0", got, truth, truth.float())
    assert comparison.problem == ""


def published(got: torch.Tensor, own: torch.Tensor) -> str:
    rule = Tolerance(name="published", rule="allclose", rtol=1e-4, atol=1e-4, half=1e-2, reference_factor=0.0)
    comparison = Comparison(rule)
    comparison.add("output 0", got, own.double(), own)
    return comparison.problem


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("factor", [0.3, 0.999, 1.001, 3.0])
def test_the_published_rule_is_torch_allclose(dtype: torch.dtype, factor: float) -> None:
    bound = 1e-4 if dtype is torch.float32 else 1e-2
    own = torch.linspace(-3, 3, 1001).to(dtype)
    got = (own.double() + factor * (bound + bound * own.double().abs())).to(dtype)
    assert (published(got, own) == "") is torch.allclose(own.double(), got.double(), rtol=bound, atol=bound)


def test_the_published_rule_takes_no_nan_even_where_the_reference_has_one() -> None:
    own = torch.tensor([1.0, math.nan, math.inf])
    assert "1 of 3" in published(own.clone(), own)


def test_measured_errors_are_kept_by_distribution_whatever_the_policy() -> None:
    comparison = Comparison(TOLERANCE)
    truth = torch.randn(1000, dtype=torch.float64)
    for name, error in (("own", 1e-4), ("shifted", 5e-4)):
        comparison.distribution = name
        comparison.current.draws += 1
        comparison.add("output 0", (truth + error).float(), truth, truth.float())
    found = comparison.result()
    assert found.draws == 2
    assert found.max_abs == pytest.approx(1e-4, rel=0.01), "the task's own inputs are what is shown"
    assert [(entry.name, entry.draws) for entry in found.distributions] == [("own", 1), ("shifted", 1)]
    assert found.distributions[1].rms_scaled == pytest.approx(5e-4, rel=0.1)


def test_what_was_rounded_to_a_coarser_format_shows_in_its_bits() -> None:
    truth = torch.randn(5000, dtype=torch.float64)
    own = truth.float()
    assert compare(own, truth).result().rounded_to == ""
    assert compare(own.half().float(), truth).result().rounded_to == "float16 or TF32"
    assert compare(own.bfloat16().float(), truth).result().rounded_to == "bfloat16"
    coarse = own.half().float()
    assert compare(coarse, truth, coarse).result().rounded_to == "", "as the reference's own are"


@pytest.mark.parametrize(
    ("got", "right"), [(math.inf, True), (70000.0, True), (-math.inf, False), (math.nan, False), (65504.0, False)]
)
def test_where_the_reference_overflows_the_same_is_right(got: float, right: bool) -> None:
    """A float16 product that float64 has a finite value for, and float16 has not."""
    truth = torch.tensor([1.0, 70000.0], dtype=torch.float64)
    found = compare(torch.tensor([1.0, got]), truth, truth.half())
    assert (found.problem == "") is right


def test_where_rounding_decides_a_whole_number_that_of_the_reference_is_right_too() -> None:
    truth, own = torch.tensor([597, 3]), torch.tensor([598, 3])
    assert compare(own, truth, own).problem == ""
    assert compare(truth, truth, own).problem == ""
    assert "got 599, expected 597" in compare(torch.tensor([599, 3]), truth, own).problem
