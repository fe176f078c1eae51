"""Is it the candidate's kernel that does the work? What a worker's claims about its forwards convict it of."""

import math
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from evaluator.oracle import operators
from evaluator.oracle.correctness import Examination, Violation
from evaluator.oracle.worker import WorkerFailure
from evaluator.tasks import Task

_LITTLE = 0.5  # of the GPU time in its own kernels: worth telling
_FOREIGN = 0.05  # of the GPU time in kernels that neither the candidate nor an operator launched


class Claim(BaseModel):
    """What a worker says about one forward. Everything else in its answer is not looked at here."""

    operators: dict[str, int] = {}
    launched: dict[str, int] = {}
    shared: list[dict[str, str | int]] = []
    types: list[str] = []


class Work(BaseModel):
    """One name that took GPU time during a forward."""

    name: str
    operator: str
    ms: float = Field(ge=0, allow_inf_nan=False)


@dataclass
class Integrity:
    """What is known about one candidate: findings for the row, and figures for the board."""

    task: Task
    findings: list[dict[str, Any]] = field(default_factory=list)
    operators: dict[str, int] = field(default_factory=dict)
    own_share: float | None = None
    ablated: bool = False

    def evidence(self) -> dict[str, Any]:
        """Fields of evaluator.verdict.Evidence."""
        return {
            "findings": tuple(self.findings),
            "torch_operators": self.operators,
            "own_share": self.own_share,
            "ablated": self.ablated,
        }

    def read_claims(self, examination: Examination, negligible: float) -> None:
        """Convict by what the worker said about its forwards.

        Raises:
            Violation: an output is no plain tensor or shares memory; an operator did arithmetic that it may not.
            WorkerFailure: what it said can't be read.
        """
        for said in examination.exchange.claims:
            claim = read_claim(said)
            for index, kind in enumerate(claim.types):
                if kind != "torch.Tensor":
                    raise Violation(f"output {index} is of type {kind}, not torch.Tensor: return plain tensors")
            for entry in claim.shared if self.task.aliasing == "forbidden" else ():
                raise Violation(
                    f"output {entry.get('output')} shares memory with {entry.get('with')}: write to memory of its own"
                )
            self.read_operators(claim.operators, _largest(examination), negligible)

    def read_operators(self, elements: dict[str, int], largest: int, negligible: float) -> None:
        """Hold the torch operators of one forward against the task's policy.

        Raises:
            Violation: a forbidden one did floating-point work.
        """
        working = operators.working(elements, largest, negligible)
        if refused := operators.forbidden(working, self.task.torch_ops):
            names = ", ".join(f"{name} ({count:,} elements)" for name, count in refused.items())
            raise Violation(
                f"torch does part of the arithmetic: {names}; this task lets torch do "
                f"{', '.join(self.task.torch_ops) or 'none of it'}"
            )
        for name, count in working.items():
            self.operators[name] = max(count, self.operators.get(name, 0))

    def conclude(self) -> None:
        """Add the findings that follow from everything read so far."""
        if self.operators and operators.ANY in self.task.torch_ops:
            message = f"Torch does part of the arithmetic: {', '.join(self.operators)}."
            self.add("torch-operators", message, "The task allows it; a kernel of one's own may fuse it.")

    def add(self, rule: str, message: str, remedy: str) -> None:
        """Note something that does not fail the candidate."""
        self.findings.append({"rule": rule, "line": 0, "message": message, "remedy": remedy, "severity": "advice"})


def read_work(said: Any, own: tuple[str, ...], integrity: Integrity) -> None:
    """Take the GPU's work in one forward: the share of the candidate's own kernels, and who else was there.

    Args:
        said: the worker's answer to `kernel_times`.
        own: names of the kernels that the candidate defines.

    Raises:
        Violation: kernels that are neither the candidate's nor an operator's take part in a task that has torch do
            nothing.
        WorkerFailure: what the worker said can't be read.
    """
    try:
        work = [Work.model_validate(entry) for entry in said]
    except (ValidationError, TypeError) as error:
        raise WorkerFailure("crashed", "the worker broke the protocol: its profile can't be read") from error
    whole = sum(entry.ms for entry in work)
    if whole <= 0:
        integrity.add("profile", "The GPU profile saw nothing, so the share of own kernels is not known.", "")
        return
    mine = sum(entry.ms for entry in work if entry.name in own and not entry.operator)
    integrity.own_share = mine / whole
    foreign = [entry for entry in work if not entry.operator and entry.name not in own and not _moves(entry.name)]
    if (share := sum(entry.ms for entry in foreign) / whole) > _FOREIGN:
        names = ", ".join(dict.fromkeys(entry.name[:80] for entry in foreign[:3]))
        message = f"{share:.0%} of the GPU time is spent in kernels that the candidate does not define: {names}"
        if not integrity.task.torch_ops:
            raise Violation(message)
        integrity.add("foreign-kernels", message + ".", "Launch only kernels that the module defines.")
    if integrity.own_share < _LITTLE:
        integrity.add(
            "own-share",
            f"Its own kernels take {integrity.own_share:.0%} of the GPU time.",
            "What torch does besides is the larger part: fuse it, or leave it out.",
        )


def _largest(examination: Examination) -> int:
    """Elements of the largest input or output."""
    places = examination.exchange.first
    return max((math.prod(place["shape"]) for place in (*places.inputs, *places.outputs)), default=0)


def _moves(name: str) -> bool:
    return name.startswith(("Memcpy", "Memset"))


def read_claim(said: dict[str, Any]) -> Claim:
    """The part of a worker's answer that is looked at here.

    Raises:
        WorkerFailure: it can't be read.
    """
    try:
        return Claim.model_validate(said)
    except ValidationError as error:
        raise WorkerFailure("crashed", "the worker broke the protocol: its answer can't be read") from error
