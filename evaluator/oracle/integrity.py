"""Is it the candidate's kernel that does the work? What a worker's claims about its forwards convict it of."""

import math
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from evaluator.oracle import operators
from evaluator.oracle.charges import Violation
from evaluator.oracle.correctness import Examination
from evaluator.oracle.worker import WorkerFailure
from evaluator.tasks import Task
from evaluator.work import GpuWork, kind_of

_ROWS = 24  # of the table of GPU work; what is smaller is summed up
_NAME_CHARS = 200  # template arguments make names of thousands
_LITTLE = 0.5  # of the GPU time in its own kernels: worth telling
_FOREIGN = 0.05  # of the GPU time in kernels that neither the candidate nor an operator launched


class Claim(BaseModel):
    """What a worker says about one forward. Everything else in its answer is not looked at here."""

    operators: dict[str, int] = {}
    flops: dict[str, NonNegativeInt] = {}
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
    flops: dict[str, int] = field(default_factory=dict)  # of contractions that torch does, at the true sizes
    work: tuple[GpuWork, ...] = ()
    own_share: float | None = None
    ablated: bool = False

    def evidence(self) -> dict[str, Any]:
        """Fields of evaluator.verdict.Evidence."""
        return {
            "findings": tuple(self.findings),
            "torch_operators": self.operators,
            "torch_flops": self.flops,
            "gpu_work": self.work,
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

    def read_capture(self, examination: Examination, said: dict[str, Any], slots: int, negligible: float) -> None:
        """Convict by what torch did while a ring of so many slots was captured, which is what is timed.

        Raises:
            Violation: an operator did arithmetic that it may not.
            WorkerFailure: what the worker said can't be read.
        """
        each = {name: count // slots for name, count in read_claim(said).operators.items()}
        self.read_operators(each, _largest(examination), negligible)

    def read_flops(self, said: dict[str, Any]) -> None:
        """Take what torch did of the contractions in a forward at the true sizes.

        Raises:
            WorkerFailure: what the worker said can't be read.
        """
        for name, count in read_claim(said).flops.items():
            self.flops[name] = max(count, self.flops.get(name, 0))

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
    integrity.work = _table(work, own, whole)
    integrity.own_share = min(1.0, sum(entry.share for entry in integrity.work if entry.kind == "own"))
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


def _table(work: list[Work], own: tuple[str, ...], whole_ms: float) -> tuple[GpuWork, ...]:
    """The largest entries, and the rest of each kind in one: a forward may consist of hundreds."""
    rows = [
        GpuWork(
            name=entry.name[:_NAME_CHARS],
            kind=kind_of(entry.name, entry.operator, own),
            operator=entry.operator[:_NAME_CHARS],
            ms=entry.ms,
            share=min(1.0, entry.ms / whole_ms),
        )
        for entry in sorted(work, key=lambda entry: -entry.ms)
    ]
    kept, rest = rows[:_ROWS], rows[_ROWS:]
    for kind in dict.fromkeys(row.kind for row in rest):
        more = [row for row in rest if row.kind == kind]
        ms = sum(row.ms for row in more)
        name = f"{len(more)} more"
        kept.append(GpuWork(name=name, kind=kind, ms=ms, share=min(1.0, ms / whole_ms)))
    return tuple(kept)


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
