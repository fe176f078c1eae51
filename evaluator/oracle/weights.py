"""Giving a candidate the reference's weights (P9): by name, else by registration order and shape, else by seed.

Floating-point parameters that are mapped are perturbed with secret noise, and so are the running statistics of a
normalisation, since default ones and zeros would let a kernel leave them out unnoticed.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn.modules.batchnorm import _NormBase

from evaluator.inside.model import named_tensors
from evaluator.oracle.exchange import Exchange
from evaluator.oracle.numerics import Comparison
from evaluator.oracle.worker import WorkerHandle

How = Literal["by name", "by order", "by seed", "none"]
_RELATIVE_NOISE = 0.1
_NOISE_FOR_CONSTANTS = 0.1


@dataclass(frozen=True)
class Mapping:
    """How a candidate's tensors correspond to the reference's: candidate's name -> reference's name."""

    how: How
    names: dict[str, str]
    note: str = ""


class Weights:
    """A worker's tensors that correspond to the reference's: told to it once, and its buffers looked at again."""

    def __init__(self, exchange: Exchange, worker: WorkerHandle, timeout_s: float) -> None:
        self.mapping = Mapping("none", {})
        self._exchange = exchange
        self._worker = worker
        self._timeout_s = timeout_s
        self._places: dict[str, dict[str, Any]] = {}

    def send(self, model: torch.nn.Module) -> None:
        """Give the worker's module the values of this one, by the mapping; raises WorkerFailure."""
        ours = {name: tensor for _, name, tensor in named_tensors(model)}
        for theirs, mine in self.mapping.names.items():
            place = self._exchange.place(ours[mine])
            self._exchange.tensor(place).copy_(ours[mine])
            self._places[theirs] = place
        self._exchange.synchronize()
        self._exchange.lend()
        self._worker.ask({"do": "weights", "places": self._places}, self._timeout_s)

    def has_buffers(self, model: torch.nn.Module) -> bool:
        """Whether a buffer of this module has a counterpart in the worker's."""
        return bool(self._buffers(model))

    def compare_buffers(self, comparison: Comparison, model: torch.nn.Module) -> None:
        """Module buffers after the calls must be the reference's after the same calls; raises WorkerFailure."""
        names = self._buffers(model)
        places = {theirs: self._places[theirs] for theirs in names}
        for place in places.values():
            self._exchange.poison(place)
        self._exchange.synchronize()
        self._worker.ask({"do": "buffers", "places": places}, self._timeout_s)
        expected = {name: tensor for _, name, tensor in named_tensors(model)}
        for theirs, mine in names.items():
            value = expected[mine]
            truth = value.double() if value.is_floating_point() else value
            comparison.add(f"buffer {theirs}", self._exchange.copy(places[theirs]), truth, value)

    def _buffers(self, model: torch.nn.Module) -> dict[str, str]:
        ours = {name for kind, name, _ in named_tensors(model) if kind == "buffer"}
        return {theirs: mine for theirs, mine in self.mapping.names.items() if mine in ours}


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
    """Add noise to what is learnt, in place: a tenth of its RMS, or 0.1 where all values are equal.

    That is every floating-point parameter, and running means; running variances are multiplied, so that they stay
    positive. Other buffers are constants of the module, which a candidate may compute for itself.
    """
    noise = _Noise(seed)
    for parameter in model.parameters():
        if not parameter.is_floating_point() or parameter.numel() == 0:
            continue
        values = parameter.data
        scale = (
            _NOISE_FOR_CONSTANTS
            if _constant(values)
            else _RELATIVE_NOISE * float(values.double().square().mean().sqrt())
        )
        values.add_(noise.like(values, scale))
    for module in model.modules():
        if isinstance(module, _NormBase) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.add_(noise.like(module.running_mean, _NOISE_FOR_CONSTANTS))
            module.running_var.mul_(noise.like(module.running_var, _RELATIVE_NOISE).exp())


class _Noise:
    """Normally distributed, from one seed on each device."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def like(self, values: torch.Tensor, scale: float) -> torch.Tensor:
        """With this standard deviation, for a tensor of this form."""
        if values.device not in self._generators:
            self._generators[values.device] = torch.Generator(values.device).manual_seed(self._seed)
        drawn = torch.randn(values.shape, generator=self._generators[values.device], device=values.device)
        return (drawn * scale).to(values.dtype)


def _constant(values: torch.Tensor) -> bool:
    return bool((values == values.flatten()[0]).all())
