"""Is the candidate right? Fresh secret inputs for every draw, judged on the oracle's own copy of the outputs."""

import copy
import secrets
from dataclasses import dataclass
from typing import Any

import torch

from evaluator.errors import UsageError
from evaluator.inside.model import named_tensors
from evaluator.oracle.exchange import Exchange, Mismatch
from evaluator.oracle.numerics import Comparison
from evaluator.oracle.reference import Reference, double
from evaluator.oracle.weights import Mapping, match, perturb
from evaluator.oracle.worker import WorkerHandle
from evaluator.request import Limits
from evaluator.tasks import Task
from evaluator.verdict import NumericError


class Violation(Exception):
    """The candidate did something that no honest kernel does; the message says what."""


def fresh_seed() -> int:
    """A seed that nobody can guess."""
    return secrets.randbits(62)


@dataclass(frozen=True)
class Judged:
    """The first draw of a check: its seed, the candidate's outputs, and the reference's module as it was before it."""

    seed: int
    outputs: list[torch.Tensor]
    model: torch.nn.Module


class Examination:
    """One candidate's worker, what it was lent, and the reference that it is judged by.

    Args:
        reference: executed at the sizes of this check.
        worker: taken by this examination; killed when it closes.
    """

    def __init__(self, task: Task, reference: Reference, worker: WorkerHandle, limits: Limits) -> None:
        self.task = task
        self.reference = reference
        self.worker = worker
        self.mapping = Mapping("none", {})
        self._limits = limits
        self.exchange = Exchange(reference, worker, limits, str(task.path))
        self.judged: Judged | None = None
        self._seed = fresh_seed()
        self._model: torch.nn.Module = torch.nn.Identity()
        self._weight_places: dict[str, dict[str, Any]] = {}
        self._notes: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the verdict should know."""
        return tuple(self._notes)

    def load(self, source: str, options: dict[str, Any], twin: "Examination | None" = None) -> None:
        """Have the worker build the module and give it the reference's weights, perturbed.

        Args:
            source: the candidate's source, or the reference's for a baseline.
            options: what the worker's `load` takes beyond that: `class`, `autotune`, `compile`.
            twin: another examination of the same source, after its check; this one gets the same weights.

        Raises:
            WorkerFailure: the candidate can't be imported or constructed.
        """
        if twin is not None:
            self._seed = twin._seed
        message = {"do": "load", "source": source, "init": self.reference.init, "seed": self._seed}
        message |= {"class": "ModelNew", "precision": self.task.precision.model_dump()} | options
        claimed = self.worker.ask(message, self._limits.first_forward_s)["parameters"]
        self._model = self.reference.model(self._seed)
        self.mapping = match(self._model, claimed)
        if self.mapping.note:
            self._notes.append(self.mapping.note)
        if self.mapping.names:
            if twin is not None and twin.judged is not None:
                self._model = twin.judged.model
            else:
                perturb(self._model, fresh_seed())
            self._send_weights()

    def check(self, draws: int) -> NumericError:
        """Compare the candidate's outputs on `draws` fresh inputs.

        Raises:
            Mismatch: an output is missing, has another shape or dtype, or is wrong.
            WorkerFailure: the candidate failed.
        """
        comparison = Comparison(self.task.tolerance)
        self.exchange.prepare(copy.deepcopy(self._model), fresh_seed())
        for draw in range(draws):
            self._draw(comparison, self._limits.first_forward_s if draw == 0 else self._limits.forward_s)
        if self._buffer_names():
            self._check_buffers(comparison)
        error = NumericError(
            draws=comparison.draws,
            max_abs=comparison.max_abs,
            max_scaled=comparison.max_scaled,
            reference_max_abs=comparison.reference_max_abs,
            tolerance=self.task.tolerance.name,
            worst=comparison.worst,
        )
        if comparison.problem:
            raise WrongOutput(comparison.problem, error)
        return error

    def confirm(self, inputs: list[Any], got: list[torch.Tensor]) -> None:
        """Outputs of a timed forward must be right as well.

        Raises:
            Mismatch: they are not.
        """
        comparison = Comparison(self.task.tolerance)
        wide_model, wide_inputs = double(self._model, inputs)
        _, own = self.reference.run(copy.deepcopy(self._model), inputs)
        try:
            _, truth = self.reference.run(wide_model, wide_inputs)
        except UsageError:
            truth = own
        for index, (output, expected, same) in enumerate(zip(got, truth, own, strict=True)):
            comparison.add(f"output {index} of a timed forward", output, expected, same)
        if comparison.problem:
            raise Mismatch(comparison.problem)

    def close(self) -> None:
        """Kill the worker, then take the lent memory back."""
        self.worker.kill()
        self.exchange.close()

    def _send_weights(self) -> None:
        ours = {name: tensor for _, name, tensor in named_tensors(self._model)}
        for theirs, mine in self.mapping.names.items():
            place = self.exchange.place(ours[mine])
            self.exchange.tensor(place).copy_(ours[mine])
            self._weight_places[theirs] = place
        self.exchange.synchronize()
        self.exchange.lend()
        self.worker.ask({"do": "weights", "places": self._weight_places}, self._limits.forward_s)

    def _draw(self, comparison: Comparison, timeout_s: float) -> None:
        seed = fresh_seed()
        self.exchange.fill(seed)
        self.exchange.forward(comparison.draws, timeout_s)
        outputs = self.exchange.take()
        if self.judged is None:
            self.judged = Judged(seed, outputs, copy.deepcopy(self._model))
        self._judge(comparison, seed, outputs)
        comparison.draws += 1

    def _judge(self, comparison: Comparison, seed: int, got: list[torch.Tensor]) -> None:
        """Expected values are computed only now, from inputs made again from the seed (P6)."""
        inputs = self.reference.inputs(seed)
        wide_model, wide_inputs = double(self._model, inputs)
        _, own = self.reference.run(self._model, inputs)
        if (index := self.exchange.changed_input(inputs)) is not None:
            raise Violation(f"input {index} was changed by the candidate")
        try:
            _, truth = self.reference.run(wide_model, wide_inputs)
        except UsageError:
            truth = own
            self._note("the reference does not run in float64: its own precision is the truth")
        del wide_model, wide_inputs, inputs
        for index, (output, expected, same) in enumerate(zip(got, truth, own, strict=True)):
            comparison.add(f"output {index}", output, expected, same)

    def _buffer_names(self) -> dict[str, str]:
        ours = {name for kind, name, _ in named_tensors(self._model) if kind == "buffer"}
        return {theirs: mine for theirs, mine in self.mapping.names.items() if mine in ours}

    def _check_buffers(self, comparison: Comparison) -> None:
        """Module buffers after the calls must be the reference's after the same calls (P9)."""
        names = self._buffer_names()
        places = {theirs: self._weight_places[theirs] for theirs in names}
        for place in places.values():
            self.exchange.poison(place)
        self.exchange.synchronize()
        self.worker.ask({"do": "buffers", "places": places}, self._limits.forward_s)
        expected = {name: tensor for _, name, tensor in named_tensors(self._model)}
        for theirs, mine in names.items():
            value = expected[mine]
            truth = value.double() if value.is_floating_point() else value
            comparison.add(f"buffer {theirs}", self.exchange.tensor(places[theirs]).clone(), truth, value)

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)


class WrongOutput(Mismatch):
    """Values are wrong; `error` has the measured errors."""

    def __init__(self, problem: str, error: NumericError) -> None:
        super().__init__(problem)
        self.error = error
