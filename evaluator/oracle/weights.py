"""Giving a candidate the reference's weights (P9): by name, else by registration order and shape, else by seed.

Floating-point parameters that are mapped are perturbed with secret noise, since default ones and zeros would let a
kernel leave an affine out unnoticed.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch

from evaluator.inside.model import named_tensors

How = Literal["by name", "by order", "by seed", "none"]
_RELATIVE_NOISE = 0.1
_NOISE_FOR_CONSTANTS = 0.1


@dataclass(frozen=True)
class Mapping:
    """How a candidate's tensors correspond to the reference's: candidate's name -> reference's name."""

    how: How
    names: dict[str, str]
    note: str = ""


def match(reference: torch.nn.Module, claimed: list[dict[str, Any]]) -> Mapping:
    """Find the correspondence between the reference's tensors and those that a candidate says it has."""
    ours = [(kind, name, list(tensor.shape)) for kind, name, tensor in named_tensors(reference)]
    theirs = [(entry["kind"], entry["name"], list(entry["shape"])) for entry in claimed]
    if not ours and not theirs:
        return Mapping("none", {})
    if {(name, tuple(shape)) for _, name, shape in ours} == {(name, tuple(shape)) for _, name, shape in theirs}:
        return Mapping("by name", {name: name for _, name, _ in ours})
    if ours and [(kind, shape) for kind, _, shape in ours] == [(kind, shape) for kind, _, shape in theirs]:
        pairs = zip(theirs, ours, strict=True)
        return Mapping("by order", {candidate[1]: mine[1] for candidate, mine in pairs})
    note = f"the candidate's {len(theirs)} tensors match the reference's {len(ours)} neither by name nor by order"
    return Mapping("by seed", {}, note)


def indistinct(model: torch.nn.Module) -> tuple[str, ...]:
    """Names of the floating-point parameters whose values are all equal: a kernel that ignores ones or zeros, and is
    given nothing else, can't be told from one that uses them."""
    return tuple(
        name
        for name, parameter in model.named_parameters()
        if parameter.is_floating_point() and parameter.numel() > 1 and _constant(parameter.data)
    )


def perturb(model: torch.nn.Module, seed: int) -> None:
    """Add noise to every floating-point parameter, in place: a tenth of its RMS, or 0.1 where all values are equal."""
    generator: dict[torch.device, torch.Generator] = {}
    for parameter in model.parameters():
        if not parameter.is_floating_point() or parameter.numel() == 0:
            continue
        values = parameter.data
        if values.device not in generator:
            generator[values.device] = torch.Generator(values.device).manual_seed(seed)
        scale = (
            _NOISE_FOR_CONSTANTS
            if _constant(values)
            else _RELATIVE_NOISE * float(values.double().square().mean().sqrt())
        )
        noise = torch.randn(values.shape, generator=generator[values.device], device=values.device)
        values.add_((noise * scale).to(values.dtype))


def _constant(values: torch.Tensor) -> bool:
    return bool((values == values.flatten()[0]).all())
