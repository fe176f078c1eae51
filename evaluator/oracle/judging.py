"""One draw's outputs against what the reference makes of the same inputs."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from evaluator.errors import UsageError
from evaluator.inside import tree
from evaluator.inside.model import named_tensors
from evaluator.oracle import draws
from evaluator.oracle.draws import Distribution, Draw
from evaluator.oracle.numerics import Comparison, spread
from evaluator.oracle.reference import Reference
from evaluator.oracle.refusals import refusals
from evaluator.oracle.truth import Expected, expect
from evaluator.tasks import Task


class Judge:
    """Judges outputs by the reference; keeps what a reader of the verdict should know.

    Args:
        memory_cap_gb: what the oracle may use; None for all there is.
    """

    def __init__(self, task: Task, reference: Reference, memory_cap_gb: float | None) -> None:
        self._task = task
        self._reference = reference
        self._memory_cap_gb = memory_cap_gb
        self.notes: list[str] = []
        self.stateful = False  # a call changes the module's buffers

    def schedule(self, count: int, comparison: Comparison, derived_s: float) -> Iterator[Distribution]:
        """What to draw from: the task's own distribution first and most, then each derived one once, then again its own
        up to `count` draws.

        Args:
            comparison: of what was drawn so far.
            derived_s: wall seconds for derived distributions. Those that take the place of draws that have to be made
                anyway come however long they take: a candidate must not escape them by being slow.
        """
        for _ in range(max(1, count - 2)):
            yield "own"
        if count > 1 and self._task.tolerance.rule == "truth":
            yield from self._derived(derived_s, lambda: comparison.draws < count)
        while comparison.draws < count:
            yield "own"

    def judge(
        self,
        comparison: Comparison,
        model: torch.nn.Module,
        draw: Draw,
        got: list[torch.Tensor],
        inspect: Callable[[list[Any]], None],
    ) -> None:
        """Compare the outputs for a draw; `model` is called once, as the candidate was (P6, P9).

        On inputs that the reference does not take or is not meaningful for, nothing is compared, with a note. `inspect`
        is shown the inputs as the reference leaves them.
        """
        before = _buffers(model)
        try:
            expected = self._expect(model, draw, inspect)
        except UsageError as error:
            if draw.distribution == "own":
                raise
            self.leave_out(draw, str(error))
            return
        self.stateful = any(not torch.equal(old, new) for old, new in zip(before, _buffers(model), strict=True))
        if draw.distribution != "own" and (reason := self._unfitness(draw, expected)):
            self.leave_out(draw, reason)
            return
        comparison.distribution = draw.distribution
        comparison.current.draws += 1
        self.compare(comparison, expected, got, draw.place)

    def compare(
        self, comparison: Comparison, expected: Expected, got: list[torch.Tensor], place: str, of: str = ""
    ) -> None:
        """Compare all outputs with what was expected; `place` and `of` stand around the output's name in messages."""
        if expected.note:
            self.note(expected.note)
        factor = self._task.tolerance.reference_factor
        for index, (output, own, truth) in enumerate(zip(got, expected.own, expected.truth, strict=True)):
            name = f"{place}output {index}{of}"
            rows = expected.rows
            if rows is not None:
                part = f"{name}, rows {rows.start} to {rows.stop - 1}"
                lost = comparison.add(part, output[rows], truth, own[rows])
                comparison.add(name, output, own, own, extra=(1 + factor) * lost)
            elif truth is own and own.is_floating_point() and own.dtype is not torch.float64 and own.numel():
                ulp = torch.finfo(own.dtype).eps * float(torch.nan_to_num(own, posinf=0, neginf=0).abs().max())
                comparison.add(name, output, own, own, extra=factor * ulp)
            else:
                comparison.add(name, output, truth, own)

    def meaningful(self, model: torch.nn.Module, draw: Draw) -> bool:
        """Does the reference say anything on these inputs? For a candidate that failed on them."""
        try:
            expected = self._expect(model, draw, None)
        except UsageError as error:
            self.leave_out(draw, str(error))
            return False
        if reason := self._unfitness(draw, expected):
            self.leave_out(draw, reason)
        return not reason

    def confirm(self, model: torch.nn.Module, inputs: list[Any], got: list[torch.Tensor], of: str) -> Comparison:
        """Outputs for inputs that were made elsewhere; `of` says in messages what they are outputs of."""
        comparison = Comparison(self._task.bounds)
        expected = expect(self._reference, model, lambda: _copies(inputs), self._memory_cap_gb)
        self.compare(comparison, expected, got, "", of)
        return comparison

    def repeats(self, model: torch.nn.Module, inputs: list[Any]) -> bool:
        """Whether the reference gives the same again on the same inputs, as far as a candidate has to."""
        comparison = Comparison(self._task.tolerance)
        first, again = (self._reference.run(copy.deepcopy(model), _copies(inputs))[1] for _ in range(2))
        for one, other in zip(first, again, strict=True):
            comparison.repeated("output", one, other)
        return not comparison.problem

    def strangest(
        self, model: torch.nn.Module, seeds: Sequence[int], got: Sequence[list[torch.Tensor]], count: int
    ) -> list[int]:
        """Which `count` of several forwards differ most from the reference's at its own precision.

        Too coarse to convict anybody and cheap enough for all: one that was left out stands apart from those that were
        not.

        Args:
            seeds: of each forward's inputs, the task's own.
            got: the outputs of each.
        """
        if len(seeds) <= count:
            return list(range(len(seeds)))
        apart = []
        for seed, outputs in zip(seeds, got, strict=True):
            asked = copy.deepcopy(model) if self.stateful else model
            _, own = self._reference.run(asked, self._reference.inputs(seed))
            apart.append(max(_apart(mine, theirs) for mine, theirs in zip(own, outputs, strict=True)))
        return sorted(range(len(seeds)), key=apart.__getitem__, reverse=True)[:count]

    def expected(self, model: torch.nn.Module, draw: Draw) -> Expected:
        """What the reference makes of a draw; `model` is called once."""
        return self._expect(model, draw, None)

    def leave_out(self, draw: Draw, reason: str) -> None:
        """Remember not to use such inputs, for this candidate and all after it; an empty reason is not told."""
        self._reference.unfit[draw.distribution] = reason
        if reason:
            self.note(f"not checked on {draw.distribution} inputs: {reason}")

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _derived(self, seconds: float, due: Callable[[], bool]) -> Iterator[Distribution]:
        if self._reference.device == "cuda":
            self._reference.unfit = refusals(self._task) | self._reference.unfit
        began = time.monotonic()
        for distribution in draws.DERIVED:
            if self.stateful:
                self.note("own inputs only: the module's buffers change with every call")
                return
            if (reason := self._reference.unfit.get(distribution)) is not None:
                self.leave_out(Draw(distribution, 0), reason)
            elif not due() and time.monotonic() - began > seconds:
                self.note(f"not checked on {distribution} inputs: no time left (evaluator.derived_s)")
            else:
                yield distribution

    def _expect(self, model: torch.nn.Module, draw: Draw, inspect: Callable[[list[Any]], None] | None) -> Expected:
        return expect(self._reference, model, lambda: _inputs(self._reference, draw), self._memory_cap_gb, inspect)

    def _unfitness(self, draw: Draw, expected: Expected) -> str:
        own = expected.own if expected.rows is None else [tensor[expected.rows] for tensor in expected.own]
        return draws.unfitness(draw.distribution, expected.truth, own)


def _apart(own: torch.Tensor, got: torch.Tensor) -> float:
    """How far an output is from the reference's, for ranking: of whole numbers, the share that differs."""
    return spread(own, got) if own.is_floating_point() else float((own != got).sum()) / max(own.numel(), 1)


def _inputs(reference: Reference, draw: Draw) -> list[Any]:
    made = draw.inputs(reference)
    if made is None:
        raise UsageError(f"{draw.distribution} inputs are the task's own")
    return made


def _copies(inputs: list[Any]) -> list[Any]:
    tensors: list[torch.Tensor] = []
    encoded = tree.flatten(inputs, tensors)
    return list(tree.unflatten(encoded, [tensor.clone() for tensor in tensors]))


def _buffers(model: torch.nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for kind, _, tensor in named_tensors(model) if kind == "buffer"]
