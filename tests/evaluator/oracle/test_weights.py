import copy

import torch
from torch import nn

from evaluator.inside.model import named_tensors
from evaluator.inside.tree import dtype_name
from evaluator.oracle.weights import indistinct, match, perturb


def claims(model: nn.Module) -> list[dict[str, object]]:
    return [
        {"kind": kind, "name": name, "shape": list(tensor.shape), "dtype": dtype_name(tensor.dtype)}
        for kind, name, tensor in named_tensors(model)
    ]


class Renamed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(3, 4))
        self.b = nn.Parameter(torch.zeros(3))


def test_the_same_names_are_mapped_by_name_whatever_their_order() -> None:
    model = nn.Linear(4, 3)
    mapping = match(model, list(reversed(claims(model))))
    assert mapping.how == "by name"
    assert mapping.names == {"weight": "weight", "bias": "bias"}


def test_other_names_are_mapped_by_order_and_shape() -> None:
    mapping = match(nn.Linear(4, 3), claims(Renamed()))
    assert mapping.how == "by order"
    assert mapping.names == {"w": "weight", "b": "bias"}


def test_what_does_not_correspond_is_left_to_the_seed_and_said() -> None:
    mapping = match(nn.Linear(4, 3), claims(nn.Linear(3, 4)))
    assert mapping.how == "by seed"
    assert "match" in mapping.note


def test_a_missing_parameter_is_not_ignored() -> None:
    assert match(nn.Linear(4, 3), claims(nn.Linear(4, 3, bias=False))).how == "by seed"


def test_modules_without_weights_need_none() -> None:
    assert match(nn.ReLU(), []).how == "none"


def test_buffers_are_mapped_and_those_outside_the_state_are_not() -> None:
    model = nn.BatchNorm1d(5)
    model.register_buffer("scratch", torch.zeros(2), persistent=False)
    assert set(match(model, claims(nn.BatchNorm1d(5))).names) == {
        "weight", "bias", "running_mean", "running_var", "num_batches_tracked",
    }  # fmt: skip


def test_perturbation_moves_default_ones_and_zeros_and_is_repeatable() -> None:
    model = nn.LayerNorm(64)
    first, second = copy.deepcopy(model), copy.deepcopy(model)
    perturb(first, 11)
    perturb(second, 11)
    assert torch.equal(first.weight, second.weight)
    assert 0.05 < float((first.weight.detach() - 1).std()) < 0.2
    assert 0.05 < float(first.bias.detach().std()) < 0.2
    perturb(second, 12)
    assert not torch.equal(first.bias, second.bias)


def test_running_statistics_are_moved_and_variances_stay_positive() -> None:
    model = nn.Sequential(nn.BatchNorm2d(64), nn.BatchNorm1d(4, track_running_stats=False))
    perturb(model, 1)
    assert 0.05 < float(model[0].running_mean.std()) < 0.2
    assert 0.05 < float(model[0].running_var.log().std()) < 0.2
    assert int(model[0].num_batches_tracked) == 0


def test_perturbation_is_small_beside_the_weights_and_leaves_integers_and_constants() -> None:
    model = nn.Module()
    model.register_buffer("mask", torch.ones(5))
    model.code = nn.Parameter(torch.arange(4), requires_grad=False)
    perturb(model, 1)
    assert torch.equal(model.code, torch.arange(4))
    assert torch.equal(model.mask, torch.ones(5))
    linear = nn.Linear(200, 200)
    before = linear.weight.detach().clone()
    perturb(linear, 1)
    share = float((linear.weight.detach() - before).std() / before.std())
    assert 0.05 < share < 0.15


def test_parameters_that_hide_nothing_but_their_default_are_named() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    assert indistinct(model) == ("1.weight", "1.bias")
    perturb(model, 1)
    assert indistinct(model) == ()
