"""Two runs on the same input: what a race leaves behind differs, what was summed in another order hardly does."""

import math

import pytest
import torch

from evaluator.oracle.numerics import Comparison
from evaluator.tasks import Tolerance


def repeated(first: torch.Tensor, again: torch.Tensor, allowed: float) -> Comparison:
    comparison = Comparison(Tolerance(name="test", rtol=1e-4, atol=1e-4, reference_factor=1, repeat_rtol=allowed))
    comparison.repeated("output 0", first, again)
    return comparison


def test_the_same_bits_are_the_same_even_where_they_are_nan() -> None:
    values = torch.tensor([1.0, math.nan, -0.0])
    found = repeated(values, values.clone(), 0.0)
    assert (found.problem, found.repeat_spread) == ("", 0.0)


def test_strict_takes_nothing_but_the_same_bits() -> None:
    values = torch.randn(1000)
    again = values.clone()
    again[17] += 1e-6
    found = repeated(values, again, 0.0)
    assert "two runs on the same input differ by up to" in found.problem
    assert 1e-7 < found.repeat_spread < 1e-5


def test_the_order_of_atomics_is_noted_and_a_lost_term_is_wrong() -> None:
    values = torch.randn(1000)
    again = values * (1 + 1e-6)
    assert repeated(values, again, 1e-5).problem == ""
    assert repeated(values, again, 1e-5).repeat_spread > 0
    again[3] += 0.1
    assert "race" in repeated(values, again, 1e-5).problem


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_16_bit_result_may_round_to_its_neighbour_where_atomics_are_allowed(dtype: torch.dtype) -> None:
    values = torch.full((100,), 1.0, dtype=dtype)
    neighbour = values + torch.finfo(dtype).eps
    assert repeated(values, neighbour, 1e-5).problem == ""
    assert repeated(values, neighbour, 0.0).problem


def test_an_element_that_was_written_only_once_is_wrong_however_loose_the_bound() -> None:
    values = torch.ones(10)
    again = values.clone()
    again[4] = math.nan
    assert repeated(values, again, 1e9).problem


def test_integers_must_repeat_exactly() -> None:
    assert repeated(torch.tensor([1, 2]), torch.tensor([1, 3]), 1.0).problem
