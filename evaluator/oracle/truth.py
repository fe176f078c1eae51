"""What a right output is: the reference in float64, on the whole batch or, where that does not fit, on a part of it.

Nothing here is computed before the candidate's outputs are in the oracle's hands (P6).
"""

import copy
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from evaluator.errors import UsageError
from evaluator.inside import tree
from evaluator.oracle.reference import Reference, double

_WORKING_COPIES = 3  # float64 tensors as large as the output that a forward holds at once, where it wasn't measured
_SAME = 1e-9  # of the output's RMS: two float64 runs on the same rows, apart from the order of summation
_ALIKE = 0.05  # of the output's RMS: float64 and own precision on the same rows


@dataclass(frozen=True)
class Expected:
    """The reference's outputs: `own` at its own precision, `truth` in float64 for the `rows` of the first dimension.

    `rows` is None where `truth` covers everything. `note` says what is not as it should be.
    """

    own: list[torch.Tensor]
    truth: list[torch.Tensor]
    rows: slice | None = None
    note: str = ""


def expect(
    reference: Reference,
    model: torch.nn.Module,
    make: Callable[[], list[Any]],
    memory_cap_gb: float | None = None,
    inspect: Callable[[list[Any]], None] | None = None,
) -> Expected:
    """The reference's outputs for one draw. `model` runs once at its own precision, with what that does to its state.

    Args:
        make: gives the same inputs at every call (the reference may work in place).
        inspect: is shown the inputs as the reference leaves them.
        memory_cap_gb: pretend that there is no more memory than this; None for what there is.
    """
    before = copy.deepcopy(model)
    _reset_peak(reference.device)
    inputs = make()
    _, own = reference.run(model, inputs)
    if inspect is not None:
        inspect(inputs)
    needed = _footprint(reference.device, before, inputs, own)
    del inputs
    available = _available(reference.device, memory_cap_gb)
    if needed <= available:
        return _whole(reference, before, make(), own)
    return _sampled(reference, before, make(), own, max(available, 0.0) / needed)


def _whole(reference: Reference, model: torch.nn.Module, inputs: list[Any], own: list[torch.Tensor]) -> Expected:
    try:
        return Expected(own, _run(reference, model, inputs))
    except UsageError as error:
        why = "does not fit into memory in float64" if "memory" in str(error) else "does not run in float64"
        return Expected(own, own, None, f"the reference {why}: its own precision is the truth")


def _sampled(
    reference: Reference, model: torch.nn.Module, inputs: list[Any], own: list[torch.Tensor], share: float
) -> Expected:
    """Float64 for a random part of the batch, if the reference treats the rows of a batch independently."""
    problem = "the outputs have no batch dimension in common"
    shapes = {tensor.shape[:1] for tensor in own}
    batch = own[0].shape[0] if len(shapes) == 1 and own[0].dim() else 0
    count = int(batch * share)
    if batch and not count:
        problem = "not even one row of the batch fits"
    elif batch:
        start = secrets.randbelow(batch - count + 1)
        rows = slice(start, start + count)
        for only_first in (False, True):
            truth = _rows(reference, model, inputs, rows, batch, only_first)
            if truth is not None and _independent(reference, model, inputs, own, truth, rows, only_first):
                part = f"{count} of {batch} rows, others at each draw; the rest against the reference's own precision"
                return Expected(own, truth, rows, f"float64 does not fit into memory: checked on {part}")
        problem = "the rows of a batch are not independent"
    return Expected(own, own, None, f"float64 does not fit and {problem}: the reference's own precision is the truth")


def _rows(
    reference: Reference, model: torch.nn.Module, inputs: list[Any], rows: slice, batch: int, only_first: bool
) -> list[torch.Tensor] | None:
    """The float64 outputs for some rows of the inputs; None if the reference does not take them."""
    tensors: list[torch.Tensor] = []
    encoded = tree.flatten(inputs, tensors)
    batched = [index for index, tensor in enumerate(tensors) if tensor.dim() and tensor.shape[0] == batch]
    chosen = set(batched[:1] if only_first else batched)
    if not chosen:
        return None
    part = [tensor[rows].clone() if index in chosen else tensor for index, tensor in enumerate(tensors)]
    try:
        outputs = _run(reference, model, list(tree.unflatten(encoded, part)))
    except UsageError:
        return None
    count = rows.stop - rows.start
    return outputs if all(output.dim() and output.shape[0] == count for output in outputs) else None


def _independent(
    reference: Reference,
    model: torch.nn.Module,
    inputs: list[Any],
    own: list[torch.Tensor],
    truth: list[torch.Tensor],
    rows: slice,
    only_first: bool,
) -> bool:
    """By experiment: the rows come out the same in the whole batch and, in float64, in a smaller part of it."""
    if any(not _near(same[rows], expected, _ALIKE) for same, expected in zip(own, truth, strict=True)):
        return False
    count = rows.stop - rows.start
    half = count // 2
    if reference.independent is not None or not half:
        return reference.independent is not False
    smaller = _rows(reference, model, inputs, slice(rows.start, rows.start + half), own[0].shape[0], only_first)
    reference.independent = smaller is not None and all(
        _near(few, expected[:half], _SAME) for few, expected in zip(smaller, truth, strict=True)
    )
    return reference.independent


def _near(one: torch.Tensor, other: torch.Tensor, share: float) -> bool:
    if one.shape != other.shape:
        return False
    if not other.is_floating_point():
        return bool(torch.equal(one, other))
    scale = float(other.square().mean().sqrt())
    return bool(torch.allclose(one.double(), other, rtol=share, atol=share * scale, equal_nan=True))


def _run(reference: Reference, model: torch.nn.Module, inputs: list[Any]) -> list[torch.Tensor]:
    wide_model, wide_inputs = double(model, inputs)
    _, truth = reference.run(wide_model, wide_inputs)
    return truth


def _reset_peak(device: str) -> None:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _footprint(device: str, model: torch.nn.Module, inputs: list[Any], own: list[torch.Tensor]) -> int:
    """Bytes that the float64 run will need beyond what is held already: an estimate."""
    tensors: list[torch.Tensor] = []
    tree.flatten(inputs, tensors)
    given = 8 * sum(tensor.numel() for tensor in [*tensors, *model.parameters()])
    if device == "cuda":  # twice what the same forward took at its own precision
        held = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        working = torch.cuda.max_memory_allocated() - torch.cuda.memory_allocated() + held
        return int(given + 2 * working + 16 * sum(tensor.numel() for tensor in own))
    return int(given + 8 * _WORKING_COPIES * sum(tensor.numel() for tensor in own))


def _available(device: str, cap_gb: float | None) -> float:
    cap = cap_gb * 2**30 if cap_gb is not None else math.inf
    if device != "cuda":
        return cap
    free, total = torch.cuda.mem_get_info()
    unused = free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return float(min(unused, cap - (total - unused)))
