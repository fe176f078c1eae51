"""What is to be made fast: a reference file with its policies (conf/task/*.yaml, or any file of the convention)."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Category = Literal["single", "fusion", "network"]


class Tolerance(BaseModel):
    """When an output counts as right, judged against the float64 output of the reference.

    An element passes if |out - truth| <= atol * scale + rtol * |truth|, where `scale` is the root mean square of the
    truth tensor, so that outputs that are small everywhere can't hide behind an absolute bound. Whatever the policy,
    an error within `reference_factor` times the largest error that the reference itself makes at its own precision
    passes too: nobody is asked to be more exact than the reference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "standard"
    rtol: float
    atol: float
    reference_factor: float


class Precision(BaseModel):
    """Global numeric switches, set identically in the oracle, the baselines and the worker (torch's defaults)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cudnn_allow_tf32: bool = True
    float32_matmul: Literal["highest", "high", "medium"] = "highest"
    cudnn_benchmark: bool = False


class Task(BaseModel):
    """A reference file in the KernelBench convention (`Model`, `get_inputs`, `get_init_inputs`) and how to judge it.

    `small` overrides module-level integers of the reference for CPU checks; empty means that sizes are found by
    shrinking, or that none could be found (then a CPU check answers `unchecked`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str = ""
    reference: str  # source text of the reference file
    path: Path  # where it came from, for messages
    category: Category = "fusion"
    small: dict[str, int] = {}
    tolerance: Tolerance
    precision: Precision = Precision()
    weights: Literal["static", "mutable"] = "static"
    torch_ops: tuple[str, ...] = ()  # torch operators that may do part of the arithmetic: see oracle.operators; or any
    aliasing: Literal["forbidden", "allowed"] = "forbidden"  # may outputs share memory with inputs or earlier outputs?
    start: str = ""  # source text of the starting candidate; empty if there is none (the draft stage makes one)

    @property
    def digest(self) -> str:
        """Identity of what is asked, 16 hex digits: reference, policies and small sizes. Not its name or path."""
        policies = {"tolerance", "precision", "weights", "torch_ops", "aliasing"}
        parts = self.model_dump_json(include={"reference", "small"} | policies)
        return hashlib.sha256(parts.encode()).hexdigest()[:16]
