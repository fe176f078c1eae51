"""What the candidate is tried on: the task's own inputs, and others derived from them that break careless arithmetic.

A derived draw has the shapes, dtypes and most of the structure of the task's own, since it is the task's own,
transformed on the device. Tensors of integers and booleans, constants, and floating tensors that hold whole numbers
(masks, labels) stay as the task's generator made them. A distribution for which the reference itself is not meaningful
is left out, with the reason (`unfitness`).
"""

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from evaluator.inside import tree
from evaluator.oracle.reference import Reference

Distribution = Literal["own", "shifted", "large", "small", "sparse", "ties", "signed"]

DERIVED: tuple[Distribution, ...] = ("shifted", "large", "small", "sparse", "ties", "signed")
"""In the order of what they have found: where time is short, the last ones are left out."""

MEANINGFUL = 0.01
"""Own error of the reference, as a fraction of the output's RMS, beyond which a derived draw says nothing."""

_FORMATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_SAMPLE = 1 << 16  # elements looked at to learn what a tensor holds
_SLICE = 1 << 25  # elements that are compared at once
_KEPT = 0.1  # share of elements that a sparse draw keeps


def fresh_seed() -> int:
    """A seed that nobody can guess."""
    return secrets.randbits(62)


@dataclass(frozen=True)
class Draw:
    """Inputs that can be made again at any time: a distribution and a secret seed."""

    distribution: Distribution
    seed: int

    def inputs(self, reference: Reference) -> list[Any] | None:
        """The inputs, on the reference's device; None if the distribution would change nothing of the task's own."""
        own = reference.inputs(self.seed)
        return own if self.distribution == "own" else derive(self.distribution, own, self.seed)

    @property
    def place(self) -> str:
        """How messages begin: empty for the task's own inputs."""
        return "" if self.distribution == "own" else f"on {self.distribution} inputs, "


def derive(distribution: Distribution, inputs: list[Any], seed: int) -> list[Any] | None:
    """Inputs of another distribution, made from the task's own; None if none of them changes."""
    transform = _TRANSFORMS[distribution]
    tensors: list[torch.Tensor] = []
    encoded = tree.flatten(inputs, tensors)
    derived = []
    for index, tensor in enumerate(tensors):
        generator = torch.Generator(tensor.device).manual_seed(seed + 1 + index)
        measured = Measured.of(tensor)
        derived.append(tensor if measured is None else transform(tensor, measured, generator))
    if all(new is old for new, old in zip(derived, tensors, strict=True)):
        return None
    return list(tree.unflatten(encoded, derived))


@dataclass(frozen=True)
class Measured:
    """Mean, spread (standard deviation), least and greatest value of what a tensor holds, by a sample of it."""

    mean: float
    spread: float
    least: float
    greatest: float

    @classmethod
    def of(cls, tensor: torch.Tensor) -> "Measured | None":
        """None for what is no measurement: integers, constants, whole numbers, values that are not finite."""
        if tensor.dtype not in _FORMATS or tensor.numel() < 2:
            return None
        flat = tensor.flatten()
        sample = flat[:: max(1, flat.numel() // _SAMPLE)].double()
        if not bool(torch.isfinite(sample).all()) or bool((sample == sample.round()).all()):
            return None
        found = torch.stack([sample.mean(), sample.std(), sample.min(), sample.max()]).tolist()
        return cls(*found) if found[1] > 0 else None


Transform = Callable[[torch.Tensor, Measured, torch.Generator], torch.Tensor]


def _shift(tensor: torch.Tensor, measured: Measured, generator: torch.Generator) -> torch.Tensor:
    """A mean that is 256 times the spread, or as much as leaves 4 bits of mantissa to the spread in a 16-bit type."""
    bits = -torch.tensor(torch.finfo(tensor.dtype).eps).log2().item()
    return tensor + measured.spread * 2.0 ** min(8.0, bits - 4)


def _enlarge(tensor: torch.Tensor, measured: Measured, generator: torch.Generator) -> torch.Tensor:
    """Beyond what exp can take in float32; a power of two, which rounds nothing."""
    return tensor * (1024.0 if tensor.dtype in (torch.float32, torch.float64) else 64.0)


def _diminish(tensor: torch.Tensor, measured: Measured, generator: torch.Generator) -> torch.Tensor:
    """So small that an epsilon of 1e-6 beside a square shows, and exp(x) - 1 is still exact to 1e-5; rounds nothing."""
    return tensor / 64.0


def _thin(tensor: torch.Tensor, measured: Measured, generator: torch.Generator) -> torch.Tensor:
    """Zeros but for a tenth of the elements."""
    kept = torch.rand(tensor.shape, generator=generator, device=tensor.device) < _KEPT
    return tensor * kept


def _tie(tensor: torch.Tensor, measured: Measured, generator: torch.Generator) -> torch.Tensor:
    """About seven distinct values, a standard deviation apart."""
    return ((tensor - measured.mean) / measured.spread).round() * measured.spread + measured.mean


def _centre(tensor: torch.Tensor, measured: Measured, generator: torch.Generator) -> torch.Tensor:
    """Both signs, where the task's own inputs have one."""
    if measured.least < 0 < measured.greatest:
        return tensor
    return tensor - measured.mean


_TRANSFORMS: dict[Distribution, Transform] = {
    "shifted": _shift,
    "large": _enlarge,
    "small": _diminish,
    "sparse": _thin,
    "ties": _tie,
    "signed": _centre,
}


def unfitness(distribution: Distribution, truth: list[torch.Tensor], own: list[torch.Tensor]) -> str:
    """Why the reference says nothing on these inputs; empty if it is meaningful.

    Args:
        truth: the reference's outputs in float64.
        own: its outputs at its own precision.
    """
    for expected, same in zip(truth, own, strict=True):
        if not same.is_floating_point():
            if same.dtype is not torch.bool and distribution in ("ties", "sparse"):
                return "which of equal values an integer output names is not defined"
            if not torch.equal(expected, same):
                return "the reference's integer outputs depend on rounding"
        elif problem := _unfit(expected, same):
            return problem
    return ""


def _unfit(truth: torch.Tensor, own: torch.Tensor) -> str:
    if truth.numel() == 0:
        return ""
    squares, error, least, greatest = 0.0, 0.0, math.inf, -math.inf
    for expected, given in zip(truth.flatten().split(_SLICE), own.flatten().split(_SLICE), strict=True):
        part, same = expected.double(), given.double()  # most operations know no 8-bit formats
        if not bool(torch.isfinite(part).all() & torch.isfinite(same).all()):
            return "the reference's output is not finite"
        squares += float(part.square().sum())
        error = max(error, float((same - part).abs().max()))
        least, greatest = min(least, float(part.min())), max(greatest, float(part.max()))
    if truth.numel() > 1 and least == greatest:
        return "the reference's output is constant"
    scale = (squares / truth.numel()) ** 0.5
    if error > max(MEANINGFUL, 8 * torch.finfo(own.dtype).eps) * scale:
        return f"the reference's own rounding is {error / scale if scale else math.inf:.2g} of the output's RMS"
    return ""
