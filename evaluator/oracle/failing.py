"""Looks for the smallest case in which a candidate fails: smaller sizes, and in them the first wrong elements.

Only a candidate that failed pays for this, in a worker of its own, and for a bounded time.
"""

import time
from dataclasses import dataclass
from typing import Any

import torch

from evaluator.errors import UsageError
from evaluator.failing import FailingCase, Range, WrongTile
from evaluator.inside import tree
from evaluator.oracle.buffers import Loan
from evaluator.oracle.charges import Mismatch, Violation, WrongOutput
from evaluator.oracle.correctness import Effort, Examination, Wrong
from evaluator.oracle.lint import check_repeatable
from evaluator.oracle.numerics import wrong_elements
from evaluator.oracle.programs import by_launch, in_words
from evaluator.oracle.reference import Reference, at
from evaluator.oracle.report import status_of
from evaluator.oracle.sizes import MAX_INTERPRETED, combinations, elements
from evaluator.oracle.worker import Pool, WorkerFailure, WorkerHandle
from evaluator.request import Limits, Request
from evaluator.shrink import changeable, descend, shrinkings
from evaluator.verdict import KernelFacts, Status

Failure = WorkerFailure | Mismatch | Violation

_ROWS, _COLUMNS = 4, 8  # of the values that are shown
_JUDGED_AT_ONCE = 1 << 24  # elements of an output that is looked at as a whole
_DRAWS = 5  # where the task's own inputs came out right


def find(request: Request, error: Failure, workers: Pool, limits: Limits, device: str) -> FailingCase | None:
    """The smallest case found in which the candidate fails as in `error`; None if there is nothing more to say.

    Sizes are lowered for wrong outputs, and in the interpreter for exceptions too: on a GPU these may leave a broken
    context behind. What crashes or hangs is not run again.

    Raises:
        UsageError: it is the reference's fault, whose outputs are not the same twice.
    """
    if isinstance(error, WrongOutput):
        check_repeatable(request.task)
    elif device != "cpu" or not _raised(error):
        return None
    if limits.search_s <= 0:
        return _known(error)
    try:
        search = _Search(request, error, workers.take(), limits, device)
    except WorkerFailure:
        return _known(error)
    try:
        return search.smallest() or _known(error)
    finally:
        search.close()


def _raised(error: Failure) -> bool:
    return isinstance(error, WorkerFailure) and status_of(error) is Status.RUNTIME_ERROR


def _known(error: Failure) -> FailingCase | None:
    """What the failed comparison itself shows, at the sizes where it failed."""
    if not isinstance(error, WrongOutput) or error.examination is None or error.examination.wrong is None:
        return None
    found = error.examination
    tile = wrong_tile(found, error.examination.wrong)
    return None if tile is None else FailingCase(sizes=found.reference.sizes, inputs=_inputs(found), tile=tile)


@dataclass
class _Found:
    """A failure at some sizes, with the worker as it was left."""

    examination: Examination
    error: Mismatch | WorkerFailure


class _Search:
    """Has one worker build the candidate at one set of sizes after the other."""

    def __init__(self, request: Request, error: Failure, worker: WorkerHandle, limits: Limits, device: str) -> None:
        self._request = request
        self._wanted = error
        self._worker = worker
        self._limits = limits.model_copy(update={"forward_s": min(limits.forward_s, limits.search_s)})
        self._device = device
        self._deadline = time.monotonic() + limits.search_s
        self._draws = 1 if _on_own_inputs(error) else _DRAWS
        self._loan: Loan | None = None
        self._loaded = False
        self._lost = False  # the worker does not answer any more
        self._best: _Found | None = None

    def smallest(self) -> FailingCase | None:
        """The smallest case; None if it fails at none of the small sizes."""
        begin = next((sizes for sizes in self._beginnings() if self._fails(sizes)), None)
        if begin is None or self._best is None:
            return None
        descend(begin or changeable(self._request.task.reference), self._fails)
        return self._case(self._best)

    def close(self) -> None:
        self._worker.kill()
        if self._loan is not None:
            self._loan.close()

    def _beginnings(self) -> list[dict[str, int]]:
        task = self._request.task
        if not task.small:
            return list(shrinkings(task.reference))
        return [task.small, *(task.small | sizes for sizes in combinations(task.vary))]

    def _fails(self, sizes: dict[str, int]) -> bool:
        """Whether it fails at these sizes in the same way; then that is the best so far."""
        if self._lost or time.monotonic() > self._deadline:
            return False
        try:
            reference = at(self._request.task, sizes, self._device)
            if elements(reference) > MAX_INTERPRETED:
                return False
            found = self._failure(reference)
        except (UsageError, Violation):  # such sizes make no task, or another failure
            return False
        if found is None:
            return False
        self._best = found
        return True

    def _failure(self, reference: Reference) -> _Found | None:
        task = self._request.task
        there = Examination(task, reference, self._worker, self._limits, Effort(derived_s=60.0), self._loan)
        self._loan = there.exchange.loan
        options: dict[str, Any] = {"beside": True} if self._loaded else {"autotune": self._request.autotune}
        try:
            there.load("" if self._loaded else self._request.source, options)
            self._loaded = True
            there.check(self._draws)
        except WrongOutput as error:
            return _Found(there, error) if isinstance(self._wanted, WrongOutput) else None
        except Mismatch:
            return None
        except WorkerFailure as error:
            self._lost = error.kind != "failed" or self._device != "cpu"
            return _Found(there, error) if self._same(error) else None
        return None

    def _same(self, error: WorkerFailure) -> bool:
        wanted = self._wanted
        if not isinstance(wanted, WorkerFailure) or error.kind != wanted.kind:
            return False
        return (error.answer or {}).get("error") == (wanted.answer or {}).get("error")

    def _case(self, found: _Found) -> FailingCase:
        there = found.examination
        tile = wrong_tile(there, there.wrong) if there.wrong is not None else None
        if tile is not None and there.wrong is not None:
            tile = tile.model_copy(update={"program": self._program(there, there.wrong, tile)})
        reason = "" if tile is not None else str(found.error)[:600]
        return FailingCase(sizes=there.reference.sizes, inputs=_inputs(there), reason=reason, tile=tile)

    def _program(self, there: Examination, wrong: Wrong, tile: WrongTile) -> str:
        """Which program covers the first wrong element; the interpreter has seen it, on a GPU the launch may say."""
        element = _row_major(tile)
        try:
            if self._device == "cpu":
                return in_words(there.writers(wrong.draw, tile.output, element))
            there.run_again(wrong.draw)  # other sizes were tried since
            answer = self._worker.ask({"do": "facts"}, self._limits.forward_s)
        except (WorkerFailure, Mismatch) as error:
            return f"Which program writes it is not known: {str(error)[:200]}"
        kernels = [
            KernelFacts.model_validate({k: v for k, v in one.items() if k in KernelFacts.model_fields})
            for one in answer["kernels"]
        ]
        return by_launch(kernels, tile.shape, element)


def _on_own_inputs(error: Failure) -> bool:
    if not isinstance(error, WrongOutput):
        return True
    wrong = error.examination.wrong if error.examination else None
    return wrong is None or wrong.draw.distribution == "own"


def wrong_tile(examination: Examination, wrong: Wrong) -> WrongTile | None:
    """The first wrong element of the first wrong output with its surroundings; None if no element can be blamed, or the
    outputs are too large to be looked at as a whole.
    """
    if max(tensor.numel() for tensor in wrong.outputs) > _JUDGED_AT_ONCE:
        return None
    expected = examination.expected(wrong.draw)
    if expected is None or expected.rows is not None:
        return None
    tolerance, distribution = examination.task.bounds, wrong.draw.distribution
    for index, (got, truth, own) in enumerate(zip(wrong.outputs, expected.truth, expected.own, strict=True)):
        mask = wrong_elements(tolerance, got, truth, own, distribution)
        if bool(mask.any()):
            return _tile(index, mask, got, truth)
    return None


def _tile(output: int, mask: torch.Tensor, got: torch.Tensor, truth: torch.Tensor) -> WrongTile:
    places = mask.nonzero()
    first = tuple(int(index) for index in places[0])
    extent = tuple((int(low), int(high) + 1) for low, high in zip(places.amin(0), places.amax(0), strict=True))
    spans = [1] * max(0, mask.dim() - 2) + [_ROWS, _COLUMNS][-mask.dim() :] if mask.dim() else []
    ranges: tuple[Range, ...] = tuple(
        (start, min(start + span, size)) for start, span, size in zip(first, spans, mask.shape, strict=True)
    )
    window = tuple(slice(low, high) for low, high in ranges)
    return WrongTile(
        output=output,
        shape=tuple(mask.shape),
        first=first,
        wrong=int(mask.sum()),
        extent=extent,
        ranges=ranges,
        expected=_values(truth[window]),
        actual=_values(got[window]),
    )


def _values(tensor: torch.Tensor) -> tuple[tuple[str, ...], ...]:
    rows = tensor.reshape(-1, tensor.shape[-1] if tensor.dim() else 1)
    return tuple(tuple(f"{value:.6g}" for value in row) for row in rows.tolist())


def _row_major(tile: WrongTile) -> int:
    place = 0
    for size, index in zip(tile.shape, tile.first, strict=True):
        place = place * size + index
    return place


def _inputs(examination: Examination) -> tuple[str, ...]:
    tensors: list[torch.Tensor] = []
    tree.flatten(examination.reference.inputs(0), tensors)
    return tuple(f"{tree.dtype_name(tensor.dtype)}{list(tensor.shape)}" for tensor in tensors)
