import math

import pytest
import torch

from evaluator.oracle.draws import DERIVED, Draw, derive, unfitness
from evaluator.oracle.reference import Reference

REFERENCE = """
import torch
import torch.nn as nn

class Model(nn.Module):
    def forward(self, x, index, mask):
        return torch.sqrt(x)

def get_inputs():
    return [torch.rand(64, 33), torch.arange(64), torch.ones(64)]

def get_init_inputs():
    return []
"""


@pytest.mark.parametrize("distribution", DERIVED)
def test_a_draw_can_be_made_again_from_its_seed_and_keeps_its_form(distribution: str) -> None:
    reference = Reference(REFERENCE, "reference.py", "cpu")
    draw = Draw(distribution, 7)  # type: ignore[arg-type]
    first, again = draw.inputs(reference), draw.inputs(reference)
    assert first is not None
    assert again is not None
    own = reference.inputs(7)
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], own[0])
    assert (first[0].shape, first[0].dtype) == (own[0].shape, own[0].dtype)
    assert torch.equal(first[1], own[1]), "indices keep the task's generator"
    assert torch.equal(first[2], own[2]), "so does what is constant"


def values(distribution: str, tensor: torch.Tensor) -> torch.Tensor:
    derived = derive(distribution, [tensor], 1)  # type: ignore[arg-type]
    assert derived is not None
    assert isinstance(derived[0], torch.Tensor)
    return derived[0]


def test_shifted_inputs_have_a_mean_far_above_their_spread_and_keep_the_spread() -> None:
    own = torch.randn(500, 40)
    shifted = values("shifted", own)
    assert 200 < shifted.mean() / shifted.std() < 300
    assert shifted.std() == pytest.approx(own.std().item(), rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_shift_leaves_something_of_16_bit_inputs(dtype: torch.dtype) -> None:
    own = torch.randn(5000).to(dtype)
    assert len(values("shifted", own).unique()) > 40
    assert values("shifted", own).dtype is dtype


def test_large_inputs_are_beyond_what_exp_takes_and_round_nothing() -> None:
    own = torch.randn(1000)
    large = values("large", own)
    assert torch.equal(large / 1024, own)
    assert math.isinf(torch.exp(large).max().item())
    for dtype in (torch.float16, torch.bfloat16):
        assert math.isinf(torch.exp(values("large", own.to(dtype)).float()).max().item())


def test_small_inputs_show_an_epsilon_and_leave_room_to_functions_near_zero() -> None:
    own = torch.randn(1000, dtype=torch.float32)
    small = values("small", own)
    assert torch.equal(small * 64, own)
    square = small.square().mean()
    assert torch.rsqrt(square) / torch.rsqrt(square + 1e-6) > 1 + 1e-3
    truth = torch.expm1(small.double())
    careless = (torch.exp(small) - 1).double()
    assert (careless - truth).abs().max() < 1e-5 * truth.square().mean().sqrt()


def test_sparse_inputs_are_mostly_zeros() -> None:
    share = (values("sparse", torch.randn(10_000)) == 0).float().mean()
    assert 0.85 < share < 0.95


def test_ties_have_few_distinct_values() -> None:
    assert 4 <= len(values("ties", torch.randn(10_000)).unique()) <= 12


def test_signed_inputs_differ_only_where_the_own_ones_have_one_sign() -> None:
    assert values("signed", torch.rand(100)).min() < 0
    assert derive("signed", [torch.randn(100)], 1) is None


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(10),
        torch.ones(10),
        torch.tensor([0.0, 1.0, 1.0, 0.0]),
        torch.tensor([True, False]),
        torch.tensor(2.5),
    ],
    ids=["integers", "constant", "mask", "booleans", "scalar"],
)
def test_what_is_no_measurement_stays(tensor: torch.Tensor) -> None:
    assert derive("large", [tensor, 3, "word"], 1) is None


def test_the_reference_must_be_meaningful() -> None:
    truth = torch.randn(100, dtype=torch.float64)
    assert unfitness("shifted", [truth], [truth.float()]) == ""
    assert "finite" in unfitness("signed", [truth.sqrt()], [truth.sqrt().float()])
    assert "finite" in unfitness("large", [truth], [(truth * 1e39).float()])
    assert "constant" in unfitness("sparse", [truth * 0], [truth.float() * 0])
    assert "rounding" in unfitness("shifted", [truth], [(truth + 0.1).float()])
    assert unfitness("shifted", [truth.mean()], [truth.mean().float()]) == "", "one number is always constant"


def test_what_ties_make_of_an_index_is_not_judged() -> None:
    index = torch.tensor([1, 2])
    assert "not defined" in unfitness("ties", [index], [index])
    assert unfitness("large", [index], [index]) == ""
    assert "rounding" in unfitness("large", [index], [index + 1])
    assert unfitness("ties", [index > 1], [index > 1]) == "", "a truth value names none of several"
