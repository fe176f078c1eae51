"""Is an output right? Judged element by element against the reference in float64 (evaluator.tasks.Tolerance).

Tensors may hold gigabytes, so they are compared in slices.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from evaluator.oracle import number_grids
from evaluator.tasks import Tolerance
from evaluator.verdict import DistributionError, NumericError

_SLICE = 1 << 25  # elements
_ROW = 32  # elements at least that a row has for its RMS to mean something
DERIVED_SLACK = 4.0
"""On inputs that are hard on purpose, honest orders of summation lose several times what the reference's own loses."""


@dataclass
class Errors:
    """Largest errors over the draws of one distribution. `scaled` is divided by the RMS of the true output."""

    draws: int = 0
    max_abs: float = 0.0
    max_scaled: float = 0.0
    rms_scaled: float = 0.0
    reference_max_abs: float = 0.0
    reference_rms_scaled: float = 0.0


@dataclass
class Comparison:
    """Errors over all draws so far. `problem` is empty while everything is right.

    `distribution` is what is being compared; on any but the task's own, bounds that come from the reference's own
    error are DERIVED_SLACK times as wide, and on a sparse one the policy's others by its `sparse_factor`.
    """

    tolerance: Tolerance
    distribution: str = "own"
    worst: str = ""
    problem: str = ""
    repeat_spread: float = 0.0
    rounded_to: str = ""
    _errors: dict[str, Errors] = field(default_factory=dict)

    @property
    def draws(self) -> int:
        """Draws of all distributions that were compared."""
        return sum(errors.draws for errors in self._errors.values())

    @property
    def current(self) -> Errors:
        """Errors of the distribution that is being compared."""
        return self._errors.setdefault(self.distribution, Errors())

    @property
    def max_abs(self) -> float:
        """Largest error on the task's own inputs, or on those derived from them if these are wrong."""
        return self._shown.max_abs

    @property
    def max_scaled(self) -> float:
        """As `max_abs`, over the RMS of the true output."""
        return self._shown.max_scaled

    @property
    def _shown(self) -> Errors:
        return self.current if self.problem else self._errors.get("own", self.current)

    def result(self) -> NumericError:
        """All that was measured."""
        shown = self._shown
        return NumericError(
            draws=self.draws,
            max_abs=shown.max_abs,
            max_scaled=shown.max_scaled,
            reference_max_abs=shown.reference_max_abs,
            tolerance=self.tolerance.name,
            worst=self.worst,
            repeat_spread=self.repeat_spread,
            rounded_to=self.rounded_to,
            distributions=tuple(DistributionError(name=name, **vars(e)) for name, e in self._errors.items()),
        )

    def add(self, name: str, got: torch.Tensor, truth: torch.Tensor, own: torch.Tensor, extra: float = 0.0) -> float:
        """Compare one output tensor; returns the largest error of `own`.

        Args:
            name: how to call it in messages, such as `output 0`.
            got: the candidate's output, the oracle's private copy.
            truth: the reference's output in float64 (or in its own dtype for integers); same shape.
            own: the reference's output at its own precision; same shape.
            extra: error of `truth` itself, where that is not float64.
        """
        if not truth.is_floating_point():
            self._add_exact(name, got, truth, own)
            return 0.0
        judged = _Judged(_bounds(self.tolerance, self.distribution), truth, own, extra)
        for start, stop in judged.slices():
            judged.add(got.flatten()[start:stop], start)
        self._note(judged, truth, extra)
        self.rounded_to = self.rounded_to or number_grids.coarser(got, own)
        if judged.worst:
            self.worst = f"{name}, {judged.worst}"
        if judged.wrong and not self.problem:
            share = f"{judged.wrong} of {truth.numel()} elements"
            self.problem = f"{name}: {share} are off by more than '{self.tolerance.name}' allows; worst: {self.worst}"
        return judged.own_error

    def repeated(self, name: str, first: torch.Tensor, again: torch.Tensor) -> None:
        """Compare two outputs for the same input: a race shows as a difference."""
        apart = spread(first, again)
        self.repeat_spread = max(self.repeat_spread, apart)
        allowed = self.tolerance.repeat_rtol
        if allowed and first.is_floating_point():  # one sum in another order may round to the neighbouring value
            allowed = max(allowed, torch.finfo(first.dtype).eps)
        if apart > allowed and not self.problem:
            self.problem = (
                f"{name}: two runs on the same input differ by up to {apart:.3g} of the output's size, and "
                f"'{self.tolerance.name}' allows {allowed:.3g}: a race, or memory that was never written"
            )

    def _note(self, judged: "_Judged", truth: torch.Tensor, extra: float) -> None:
        errors = self.current
        errors.max_abs = max(errors.max_abs, judged.max_abs)
        errors.max_scaled = max(errors.max_scaled, _ratio(judged.max_abs, judged.scale))
        if extra:
            return  # not compared with float64: says nothing of how exact anybody is
        count = max(truth.numel(), 1)
        errors.reference_max_abs = max(errors.reference_max_abs, judged.own_error)
        errors.rms_scaled = max(errors.rms_scaled, _ratio((judged.squares / count) ** 0.5, judged.scale))
        own = _ratio((judged.own_squares / count) ** 0.5, judged.scale)
        errors.reference_rms_scaled = max(errors.reference_rms_scaled, own)

    def _add_exact(self, name: str, got: torch.Tensor, truth: torch.Tensor, own: torch.Tensor) -> None:
        wrong = _wrong_whole(got, truth, own).flatten()
        count = int(wrong.sum())
        if count and not self.problem:
            index = int(wrong.nonzero()[0])
            values = f"got {got.flatten()[index].item()}, expected {truth.flatten()[index].item()}"
            self.worst = f"{name}, element {index}: {values}"
            self.current.max_abs = self.current.max_scaled = float("inf")
            self.problem = f"{name}: {count} of {wrong.numel()} elements differ; first: {self.worst}"


def wrong_elements(
    tolerance: Tolerance, got: torch.Tensor, truth: torch.Tensor, own: torch.Tensor, distribution: str = "own"
) -> torch.Tensor:
    """Which elements are wrong, as `Comparison.add` judges them: a mask of the output's shape.

    For tensors that may be judged in one piece.
    """
    if not truth.is_floating_point():
        return _wrong_whole(got, truth, own)
    judged = _Judged(_bounds(tolerance, distribution), truth, own)
    flat, true = got.flatten().double(), truth.flatten().double()
    error = _distances(flat, true, own.flatten().double())
    return (judged.excesses(flat, true, error, 0) > 1.0).reshape(truth.shape)


def _bounds(tolerance: Tolerance, distribution: str) -> Tolerance:
    """What a policy allows on inputs of a distribution."""
    if distribution == "own":
        return tolerance
    widened = {"reference_factor": DERIVED_SLACK * tolerance.reference_factor}
    if distribution == "sparse":
        factor = tolerance.sparse_factor
        widened |= {"rtol": factor * tolerance.rtol, "atol": factor * tolerance.atol}
    return tolerance.model_copy(update=widened)


def _wrong_whole(got: torch.Tensor, truth: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Which whole numbers are neither those of float64 nor those of the reference, where rounding decides."""
    return (got != truth) & (got != own)


def _distances(got: torch.Tensor, truth: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Absolute errors; infinite where only one of the two is finite, or one is NaN.

    None where the reference itself is not finite at its own precision, a float16 product that overflows say, and the
    candidate gives the same.
    """
    error = torch.where(torch.isfinite(truth), (got - truth).abs(), torch.where(_same(got, truth), 0.0, torch.inf))
    error = torch.where(~torch.isfinite(own) & _same(got, own), 0.0, error)
    return torch.nan_to_num(error, nan=torch.inf, posinf=torch.inf)


def _same(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Where two tensors are equal, NaN included."""
    return (one == other) | (torch.isnan(one) & torch.isnan(other))


class _Judged:
    """One floating tensor while it is compared, slice by slice."""

    def __init__(self, tolerance: Tolerance, truth: torch.Tensor, own: torch.Tensor, extra: float = 0.0) -> None:
        self.tolerance = tolerance
        self.truth = truth.flatten()
        self.own = own.flatten()
        self.row = _row_length(truth)
        self.wrong = 0
        self.worst = ""
        self.max_abs = 0.0
        self.squares = 0.0
        self._excess = -1.0
        self.scale, self.own_error, self.own_squares = self._survey()
        self.floor = tolerance.reference_factor * self.own_error + extra

    def slices(self) -> Iterator[tuple[int, int]]:
        """Bounds of slices that hold whole rows."""
        length, total = max(_SLICE // self.row, 1) * self.row, self.truth.numel()
        for start in range(0, total, length):
            yield start, min(start + length, total)

    def _survey(self) -> tuple[float, float, float]:
        """RMS of the truth over its finite elements, largest own error, and the sum of squares of own errors."""
        total, count, largest, squares = 0.0, 0, 0.0, 0.0
        for start, stop in self.slices():
            part = self.truth[start:stop].double()
            finite = torch.isfinite(part)
            error = torch.nan_to_num((self.own[start:stop].double() - part).abs(), nan=0.0, posinf=0.0)
            total += float(torch.where(finite, part, 0.0).square().sum())
            count += int(finite.sum())
            largest, squares = max(largest, float(error.max())), squares + float(error.square().sum())
        return (total / count) ** 0.5 if count else 0.0, largest, squares

    def add(self, got: torch.Tensor, start: int) -> None:
        part = slice(start, start + got.numel())
        got, truth = got.double(), self.truth[part].double()
        error = _distances(got, truth, self.own[part].double())
        self.max_abs = max(self.max_abs, float(error.max()))
        self.squares += float(error.square().sum())
        excess = self.excesses(got, truth, error, start)
        self.wrong += int((excess > 1.0).sum())
        largest, where = excess.max(dim=0)
        if float(largest) > self._excess:
            self._excess = float(largest)
            values = f"got {float(got[where]):.6g}, expected {float(truth[where]):.6g}"
            self.worst = f"element {start + int(where)}: {values}"

    def excesses(self, got: torch.Tensor, truth: torch.Tensor, error: torch.Tensor, start: int) -> torch.Tensor:
        """Each element's error over what is allowed: beyond 1 it is wrong."""
        if self.tolerance.rule == "allclose":  # torch.allclose(reference's output, candidate's output)
            own = self.own[start : start + got.numel()].double()
            bound = self.tolerance.half if self.own.dtype.itemsize == 2 else None
            atol, rtol = (self.tolerance.atol, self.tolerance.rtol) if bound is None else (bound, bound)
            difference = torch.where(got == own, 0.0, (own - got).abs())
            excess = difference / (atol + rtol * got.abs())
        else:
            size = torch.where(torch.isfinite(truth), truth, 0.0)
            allowed = self.tolerance.atol * self._scales(size) + self.tolerance.rtol * size.abs()
            excess = error / allowed.clamp(min=self.floor)
            excess = torch.where(error == 0, 0.0, excess)
        return torch.nan_to_num(excess, nan=torch.inf, posinf=torch.inf)

    def _scales(self, size: torch.Tensor) -> torch.Tensor:
        if not self.tolerance.by_row or self.row == 1:
            return torch.tensor(self.scale, dtype=torch.float64, device=size.device)
        rows = size.reshape(-1, self.row).square().mean(dim=1, keepdim=True).sqrt()
        return rows.expand(-1, self.row).reshape(-1)


def spread(first: torch.Tensor, again: torch.Tensor) -> float:
    """Largest difference of two tensors over the size of the first's element or the RMS of all, whichever is more.

    Zero for the same bits; infinite where whole numbers differ.
    """
    if torch.equal(_bits(first), _bits(again)):
        return 0.0
    if not first.is_floating_point():
        return math.inf
    pairs = list(zip(first.flatten().split(_SLICE), again.flatten().split(_SLICE), strict=True))
    squares = 0.0
    for one in (left.double() for left, _ in pairs):
        squares += float(torch.where(torch.isfinite(one), one, 0.0).square().sum())
    scale = (squares / first.numel()) ** 0.5
    largest = 0.0
    for one, other in ((left.double(), right.double()) for left, right in pairs):
        relative = (one - other).abs() / one.abs().clamp(min=scale or math.ulp(0.0))
        relative = torch.nan_to_num(torch.where(_same(one, other), 0.0, relative), nan=math.inf, posinf=math.inf)
        largest = max(largest, float(relative.max()))
    return largest


def _row_length(tensor: torch.Tensor) -> int:
    """Elements of the last dimensions that together make a row; 1 if the tensor has but one row."""
    length = 1
    for size in reversed(tensor.shape):
        length *= size
        if length >= _ROW:
            break
    return length if _ROW <= length < tensor.numel() else 1


def _ratio(value: float, scale: float) -> float:
    return value / scale if scale > 0 else (0.0 if value == 0 else math.inf)


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
