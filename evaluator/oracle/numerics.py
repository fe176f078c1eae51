"""Is an output right? Judged element by element against the reference in float64 (evaluator.tasks.Tolerance).

Tensors may hold gigabytes, so they are compared in slices.
"""

from dataclasses import dataclass

import torch

from evaluator.tasks import Tolerance

_SLICE = 1 << 25  # elements


@dataclass
class Comparison:
    """Errors over all draws so far. `problem` is empty while everything is right."""

    tolerance: Tolerance
    draws: int = 0
    max_abs: float = 0.0
    max_scaled: float = 0.0
    reference_max_abs: float = 0.0
    worst: str = ""
    problem: str = ""

    def add(self, name: str, got: torch.Tensor, truth: torch.Tensor, own: torch.Tensor) -> None:
        """Compare one output tensor.

        Args:
            name: how to call it in messages, such as `output 0`.
            got: the candidate's output, the oracle's private copy.
            truth: the reference's output in float64 (or in its own dtype for integers); same shape.
            own: the reference's output at its own precision; same shape.
        """
        if not truth.is_floating_point():
            self._add_exact(name, got, truth)
            return
        scale = _rms(truth)
        own_error = _largest_error(own, truth)
        self.reference_max_abs = max(self.reference_max_abs, own_error)
        for start in range(0, truth.numel(), _SLICE):
            self._add_slice((name, start), _part(got, start).double(), _part(truth, start), scale, own_error)

    def _add_slice(
        self, place: tuple[str, int], got: torch.Tensor, truth: torch.Tensor, scale: float, own_error: float
    ) -> None:
        name, start = place
        finite = torch.isfinite(truth)
        same_special = (got == truth) | (torch.isnan(got) & torch.isnan(truth))
        error = torch.where(finite, (got - truth).abs(), torch.where(same_special, 0.0, torch.inf))
        error = torch.nan_to_num(error, nan=torch.inf, posinf=torch.inf)
        largest, where = error.max(dim=0)
        value = float(largest)
        if value >= self.max_abs:
            index = start + int(where)
            self.max_abs = value
            self.worst = f"{name}, element {index}: got {float(got[where]):.6g}, expected {float(truth[where]):.6g}"
        self.max_scaled = max(self.max_scaled, value / scale if scale > 0 else (0.0 if value == 0 else float("inf")))
        allowed = self.tolerance.atol * scale + self.tolerance.rtol * torch.where(finite, truth.abs(), 0.0)
        wrong = int((error > allowed.clamp(min=self.tolerance.reference_factor * own_error)).sum())
        if wrong and not self.problem:
            share = f"{wrong} of {error.numel()} elements of a slice"
            self.problem = f"{name}: {share} are off by more than '{self.tolerance.name}' allows; worst: {self.worst}"

    def _add_exact(self, name: str, got: torch.Tensor, truth: torch.Tensor) -> None:
        wrong = got.flatten() != truth.flatten()
        count = int(wrong.sum())
        if count and not self.problem:
            index = int(wrong.nonzero()[0])
            values = f"got {got.flatten()[index].item()}, expected {truth.flatten()[index].item()}"
            self.worst = f"{name}, element {index}: {values}"
            self.max_abs = self.max_scaled = float("inf")
            self.problem = f"{name}: {count} of {wrong.numel()} elements differ; first: {self.worst}"


def _part(tensor: torch.Tensor, start: int) -> torch.Tensor:
    return tensor.flatten()[start : start + _SLICE]


def _rms(truth: torch.Tensor) -> float:
    """Root mean square over the finite elements; 0 for a tensor without any."""
    total, count = 0.0, 0
    for start in range(0, truth.numel(), _SLICE):
        part = _part(truth, start)
        finite = torch.isfinite(part)
        total += float(torch.where(finite, part, 0.0).double().square().sum())
        count += int(finite.sum())
    return (total / count) ** 0.5 if count else 0.0


def _largest_error(own: torch.Tensor, truth: torch.Tensor) -> float:
    """Largest |own - truth| over the elements where both are finite."""
    largest = 0.0
    for start in range(0, truth.numel(), _SLICE):
        error = (_part(own, start).double() - _part(truth, start).double()).abs()
        largest = max(largest, float(torch.nan_to_num(error, nan=0.0, posinf=0.0).max()))
    return largest
