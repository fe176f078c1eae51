"""What is to be made fast: a reference file with its policies (conf/task/*.yaml, or any file of the convention)."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

Category = Literal["single", "fusion", "network"]

CUT_RTOL = 1.5e-3
"""Relative error that a product may have whose factors were cut to TF32's 10 bits of mantissa, where that is permitted.

Cutting loses half a unit in the last place of each factor on average, at most 2**-11 of it, and always towards zero: a
sum of such products is off by up to 2**-10, where rounded factors, torch's own, err both ways. Triton cuts on Hopper
(triton-lang/triton issue 4574). A result that was rounded to bfloat16 is off by up to 2**-8.
"""


class Tolerance(BaseModel):
    """When an output counts as right. docs/decisions/0004 has the reasons.

    `rule` is `truth`: judged against the float64 output of the reference. An element passes if
    |out - truth| <= atol * scale + rtol * |truth|. `scale` is a root mean square of the truth, so that outputs that are
    small everywhere can't hide behind an absolute bound: of the element's row (the last dimension, or as many of the
    last ones as make 32 elements) if `by_row`, so that small rows can't hide behind large ones; else of the tensor. An
    error within `reference_factor` times the largest error that the reference itself makes at its own precision passes
    as well: nobody is asked to be more exact than the reference. On sparse inputs `rtol` and `atol` count
    `sparse_factor` times: an output is the sum of few terms there, so that what was rounded off does not average out.

    Or `rule` is `allclose`: torch.allclose(reference's own output, candidate's output, rtol, atol) and nothing else, on
    the task's own inputs only; `half`, if given, stands for both bounds where the output has 16 bits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "standard"
    rtol: float
    atol: float
    reference_factor: float
    rule: Literal["truth", "allclose"] = "truth"
    half: float | None = None
    by_row: bool = False
    sparse_factor: float = 1.0
    repeat_rtol: float = 0.0  # two runs on the same input may differ by this much of an element, or of the RMS
    reduced: Literal["refused", "noted"] = "refused"  # TF32 or 16-bit arithmetic that a float32 task doesn't allow


class Precision(BaseModel):
    """Global numeric switches, set identically in the oracle, the baselines and the worker (torch's defaults).

    `allow_reduced` permits TF32 and 16-bit arithmetic in a float32 task, to the baselines as well: torch's own
    products then run in TF32 too (P10). Outputs may then be off by CUT_RTOL (`Task.bounds`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cudnn_allow_tf32: bool = True
    float32_matmul: Literal["highest", "high", "medium"] = "highest"
    cudnn_benchmark: bool = False
    allow_reduced: bool = False

    @model_validator(mode="before")
    @classmethod
    def _the_same_for_the_baselines(cls, values: Any) -> Any:
        """Who permits reduced precision gives it to the baselines too, unless a switch is set expressly."""
        if isinstance(values, dict) and values.get("allow_reduced"):
            return {"float32_matmul": "high", "cudnn_allow_tf32": True} | values
        return values


class Task(BaseModel):
    """A reference file in the KernelBench convention (`Model`, `get_inputs`, `get_init_inputs`) and how to judge it.

    `small` overrides sizes of the reference (evaluator.shrink) for CPU checks; empty means that sizes are found by
    shrinking, or that none could be found (then a CPU check answers `unchecked`). `vary` gives other values of such
    integers that a candidate must be right for too: the first values of all make one set of sizes, the second another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str = ""
    reference: str  # source text of the reference file
    path: Path  # where it came from, for messages
    category: Category = "fusion"
    small: dict[str, int] = {}
    vary: dict[str, tuple[int, ...]] = {}
    tolerance: Tolerance
    precision: Precision = Precision()
    weights: Literal["static", "mutable"] = "static"
    torch_ops: tuple[str, ...] = ()  # torch operators that may do part of the arithmetic: see oracle.operators; or any
    aliasing: Literal["forbidden", "allowed"] = "forbidden"  # may outputs share memory with inputs or earlier outputs?
    start: str = ""  # source text of the starting candidate; empty if there is none (the draft stage makes one)

    @property
    def bounds(self) -> Tolerance:
        """The tolerance that outputs are judged by: with permission, as wide as reduced precision needs."""
        if not self.precision.allow_reduced or self.tolerance.rule == "allclose":
            return self.tolerance
        return self.tolerance.model_copy(update={"rtol": max(self.tolerance.rtol, CUT_RTOL)})

    @property
    def digest(self) -> str:
        """Identity of what is asked, 16 hex digits: reference, policies and small sizes. Not its name or path."""
        policies = {"tolerance", "precision", "weights", "torch_ops", "aliasing"}
        parts = self.model_dump_json(include={"reference", "small", "vary"} | policies)
        return hashlib.sha256(parts.encode()).hexdigest()[:16]
