"""Is a task worth anything? What satisfies it without work, found with the reference alone, at small sizes on the CPU.

A weakness is an answer that the task's own bounds let pass. It is tried on two draws of the task's own inputs, and on
one of each distribution that is derived from them: what passes on all of them is a fault, what passes on the first two
a warning.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from evaluator.errors import UsageError
from evaluator.inside import tree
from evaluator.oracle import draws
from evaluator.oracle.draws import Draw, fresh_seed
from evaluator.oracle.judging import Judge
from evaluator.oracle.reference import Reference
from evaluator.oracle.sizes import small_reference
from evaluator.oracle.truth import expect
from evaluator.oracle.weights import perturb
from evaluator.redteam.weakness import Severity, Weakness
from evaluator.tasks import Task

Outputs = list[torch.Tensor]

_UNREPEATABLE = "the reference gives other outputs when it is run again on the same inputs"
_REPEATABLE = "Leave randomness out of forward, and call eval() on what has dropout."
_WHERE: dict[Severity, str] = {"fault": "", "warning": ", on the task's own inputs"}


@dataclass(frozen=True)
class Sample:
    """One draw: its inputs, the right outputs, and those of an earlier draw and of the weights as constructed."""

    inputs: list[Any]
    outputs: Outputs
    earlier: list[Any]
    earlier_outputs: Outputs
    unperturbed: Outputs | None  # None where there are no weights

    @property
    def tensors(self) -> Outputs:
        """The tensors among the inputs."""
        found: Outputs = []
        tree.flatten(self.inputs, found)
        return found


class NotHere(Exception):
    """The shortcut has nothing to work on."""


Shortcut = Callable[[Sample], Outputs]


def lint(task: Task, reference: Reference | str) -> tuple[Weakness, ...]:
    """The weaknesses of a task.

    Args:
        reference: the task's reference at small sizes on the CPU, or why there is none.

    Raises:
        UsageError: the reference does not run.
    """
    if isinstance(reference, str):
        return (Weakness(name="sizes", severity="unknown", message=reference),)
    return tuple(_Linter(task, reference).weaknesses())


def check_repeatable(task: Task) -> None:
    """For a candidate that is wrong: could any be right? Nothing is said where the CPU can't tell.

    Raises:
        UsageError: the reference answers at random.
    """
    try:
        reference = small_reference(task)
        if isinstance(reference, str):
            return
        seed = fresh_seed()
        repeats = Judge(task, reference, None).repeats(reference.model(seed), reference.inputs(seed))
    except UsageError:
        return
    if not repeats:
        raise UsageError(f"{_UNREPEATABLE}, at small sizes ({task.path})", _REPEATABLE)


class _Linter:
    def __init__(self, task: Task, reference: Reference) -> None:
        self._task = task
        self._reference = reference
        self._judge = Judge(task, reference, None)
        seed = fresh_seed()
        self._unperturbed = reference.model(seed)
        self._model = reference.model(seed)
        perturb(self._model, fresh_seed())

    def weaknesses(self) -> Iterator[Weakness]:
        samples = list(self._samples())
        if not self._judge.repeats(self._model, samples[0].inputs):
            yield Weakness(name="not repeatable", severity="fault", message=_UNREPEATABLE, remedy=_REPEATABLE)
            return
        expected = expect(self._reference, copy.deepcopy(self._model), lambda: copy.deepcopy(samples[0].inputs))
        if reason := draws.unfitness("own", expected.truth, expected.own):
            yield Weakness(
                name="no measure",
                severity="fault",
                message=f"on the task's own inputs, {reason}",
                remedy="Choose inputs for which the reference is well defined and its output varies.",
            )
        for name, (shortcut, message, remedy) in _SHORTCUTS.items():
            if severity := self._severity(samples, shortcut):
                yield Weakness(name=name, severity=severity, message=message + _WHERE[severity], remedy=remedy)
        yield from self._precision(samples)
        for index in range(len(samples[0].tensors)):
            if severity := self._severity(samples, partial(self._exchanged, index)):
                yield Weakness(
                    name=f"input {index} unused",
                    severity=severity,
                    message=f"tensor {index} of the inputs can be exchanged for another draw's{_WHERE[severity]}",
                    remedy="Leave it out, or make it matter.",
                )

    def _precision(self, samples: list[Sample]) -> Iterator[Weakness]:
        for dtype in (torch.float16, torch.bfloat16):
            name = str(dtype).removeprefix("torch.")
            severity = self._severity(samples, partial(self._rounded, dtype))
            if severity is None:
                continue
            permitted = self._task.precision.allow_reduced or self._task.tolerance.reduced == "noted"
            yield Weakness(
                name=name,
                severity="accepted" if permitted else severity,
                message=f"inputs and outputs rounded to {name} are within tolerance '{self._task.tolerance.name}'"
                + (", which the task permits" if permitted else _WHERE[severity]),
                remedy=""
                if permitted
                else "Choose a stricter tolerance, or permit reduced precision, to baselines too.",
            )

    def _samples(self) -> Iterator[Sample]:
        """Draws on which the reference means something; the first two are of the task's own inputs."""
        for distribution in ("own", "own", *draws.DERIVED):
            draw = Draw(distribution, fresh_seed())
            inputs = draw.inputs(self._reference)
            if inputs is None or (distribution != "own" and not self._meaningful(draw)):
                continue
            earlier = self._reference.inputs(fresh_seed())
            outputs = self._run(inputs)
            weighted = any(parameter.is_floating_point() for parameter in self._model.parameters())
            unperturbed = self._run(inputs, self._unperturbed) if weighted else None
            yield Sample(inputs, outputs, earlier, self._run(earlier), unperturbed)

    def _meaningful(self, draw: Draw) -> bool:
        return self._judge.meaningful(copy.deepcopy(self._model), draw)

    def _run(self, inputs: list[Any], model: torch.nn.Module | None = None) -> Outputs:
        _, outputs = self._reference.run(copy.deepcopy(model or self._model), copy.deepcopy(inputs))
        if not outputs:
            raise UsageError(f"the reference {self._task.path} returns no tensors", "Return tensors only.")
        return outputs

    def _severity(self, samples: list[Sample], shortcut: Shortcut) -> Severity | None:
        """None where the shortcut does not satisfy the task, or has nothing to work on."""
        try:
            if not all(self._passes(sample, shortcut(sample)) for sample in samples[:2]):
                return None
            return "fault" if all(self._passes(sample, shortcut(sample)) for sample in samples[2:]) else "warning"
        except NotHere:
            return None

    def _passes(self, sample: Sample, outputs: Outputs) -> bool:
        comparison = self._judge.confirm(copy.deepcopy(self._model), sample.inputs, outputs, "")
        refused = self._task.tolerance.reduced == "refused" and not self._task.precision.allow_reduced
        return not comparison.problem and not (comparison.rounded_to and refused)

    def _rounded(self, dtype: torch.dtype, sample: Sample) -> Outputs:
        if not any(output.dtype == torch.float32 for output in sample.outputs):
            raise NotHere
        tensors: Outputs = []
        encoded = tree.flatten(sample.inputs, tensors)
        inputs = list(tree.unflatten(encoded, [_round(tensor, dtype) for tensor in tensors]))
        return [_round(output, dtype) for output in self._run(inputs)]

    def _exchanged(self, index: int, sample: Sample) -> Outputs:
        ours: Outputs = []
        theirs: Outputs = []
        encoded = tree.flatten(sample.inputs, ours)
        tree.flatten(sample.earlier, theirs)
        if torch.equal(ours[index], theirs[index]):
            raise NotHere  # the task always gives the same
        return self._run(list(tree.unflatten(encoded, [*ours[:index], theirs[index], *ours[index + 1 :]])))


def _round(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(dtype).to(tensor.dtype) if tensor.dtype == torch.float32 else tensor


def _mean(sample: Sample) -> Outputs:
    return [
        torch.full_like(
            right, float(earlier.double().mean()) if earlier.dtype.is_floating_point else earlier.max().item()
        )
        for right, earlier in zip(sample.outputs, sample.earlier_outputs, strict=True)
    ]


def _input(sample: Sample) -> Outputs:
    found = []
    for output in sample.outputs:
        alike = [each for each in sample.tensors if each.shape == output.shape and each.dtype == output.dtype]
        if not alike:
            raise NotHere
        found.append(alike[0])
    return found


def _own_weights(sample: Sample) -> Outputs:
    if sample.unperturbed is None:
        raise NotHere
    return sample.unperturbed


_SHORTCUTS: dict[str, tuple[Shortcut, str, str]] = {
    "zeros": (
        lambda sample: [torch.zeros_like(output) for output in sample.outputs],
        "zeros are within the tolerance",
        "Choose a tolerance that is relative to the output, or inputs that give larger outputs.",
    ),
    "constant": (
        _mean,
        "a constant, the mean of another draw's output, is within the tolerance",
        "Choose a stricter tolerance, or inputs that make the output vary.",
    ),
    "input": (_input, "an input is within the tolerance of the output", "Make the task do something to its input."),
    "replay": (
        lambda sample: sample.earlier_outputs,
        "the output for one draw passes for another: the inputs hardly matter",
        "Have get_inputs() make other values each time, and choose a stricter tolerance.",
    ),
    "own weights": (
        _own_weights,
        "weights that were not perturbed pass: the weights hardly matter",
        "Choose a stricter tolerance.",
    ),
}
