"""What the evaluator found out about one candidate: types that are stored, printed and sent between processes."""

import hashlib
import json
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from evaluator.failing import FailingCase
from evaluator.frozen import Frozen
from evaluator.status import Status as Status
from evaluator.work import Ceilings, GpuWork, TaskCost


class Timing(Frozen):
    """Run times under a cold L2. `low_ms`..`high_ms` is the 95 % interval of the median, the luck of a worker's memory
    included."""

    median_ms: float
    low_ms: float
    high_ms: float
    samples_ms: tuple[float, ...]


class Gain(Frozen):
    """Candidate against incumbent, alternating in one session: 0.02 is 2 % less time than the incumbent takes.

    `low` is the lower one-sided 99.5 % confidence bound of `estimate`; both are fractions of the incumbent's time.
    """

    estimate: float
    low: float
    incumbent: str  # digest of the candidate it was compared with
    incumbent_ms: float
    rounds: int
    pairs: int = 1  # of workers, each with memory of its own
    confirmed: bool = False  # from rounds that were taken after others had nominated the candidate

    def reaches(self, min_gain: float) -> bool:
        """Whether it is worth having, and no accident."""
        return self.estimate >= min_gain and self.low > 0


class DistributionError(Frozen):
    """The largest errors over the draws of one distribution; `scaled` values are divided by the truth's RMS."""

    name: str  # own: the task's own inputs; else see evaluator.oracle.draws
    draws: int
    max_abs: float
    max_scaled: float
    rms_scaled: float
    reference_max_abs: float
    reference_rms_scaled: float


class NumericError(Frozen):
    """How far the outputs were from float64 truth. `scaled` values are divided by the truth's RMS.

    The figures are for the task's own inputs, or for the derived ones that the candidate is wrong on; `distributions`
    has all of them, whatever the policy makes of them.
    """

    draws: int  # of all distributions
    max_abs: float
    max_scaled: float
    reference_max_abs: float  # what the reference itself loses at its own precision
    tolerance: str  # name of the policy
    worst: str = ""  # where: output, index, got, expected
    repeat_spread: float = 0.0  # largest difference between runs on the same input, over the element or the RMS
    rounded_to: str = ""  # coarser format that float32 outputs are rounded to, while the reference's are not
    distributions: tuple[DistributionError, ...] = ()


class KernelFacts(Frozen):
    """One kernel that the candidate launches. None where it was not determined."""

    name: str
    registers: int | None = None  # per thread
    spill_bytes: int | None = None  # stores + loads, per thread
    shared_bytes: int | None = None  # per block
    occupancy: float | None = None  # theoretical, 0..1
    limited_by: str | None = None  # registers | shared memory | warps | blocks
    num_warps: int | None = None
    num_stages: int | None = None
    grid: tuple[int, ...] | None = None
    launches: int | None = None  # per forward
    constants: dict[str, Any] = {}  # constexpr arguments of the chosen specialisation
    loads: int | None = None  # distinct tl.load pointers in its source
    fits: bool | None = None  # within the target's limits
    time_share: float | None = Field(default=None, ge=0, allow_inf_nan=False)  # of the candidate's GPU time, 0..1
    precision: tuple[str, ...] = ()  # formats below float32 that its code computes in or converts to: tf32, f16, bf16
    read_bytes: int | None = Field(default=None, ge=0)  # of tensors it loads from, once a launch; a forward
    written_bytes: int | None = Field(default=None, ge=0)  # of tensors it stores to, likewise
    dots: bool | None = None  # whether its code multiplies matrices (tl.dot)
    code: str = ""  # hash of its machine code, 16 hex digits


class Elsewhere(Frozen):
    """What compiling for another GPU than the one judged on said; nothing was run there. `reason`: why so little."""

    target: str  # configuration name of the GPU
    kernels: tuple[KernelFacts, ...] = ()
    reason: str = ""


class Evidence(Frozen):
    """How the verdict was reached: enough to judge how far it can be trusted."""

    checked_on: Literal["interpreter", "device"] | None = None
    target: str = ""  # GPU the code was compiled for
    weights: str = ""  # by name | by order | by seed | none
    transport: str = ""  # memfd | cuda-ipc | pinned-host
    isolation: tuple[str, ...] = ()  # active sandbox layers; the first is reduced-isolation under the fallback
    isolation_missing: tuple[str, ...] = ()  # layers that this machine lacks; `harness doctor` has the remedies
    precision: dict[str, Any] = {}
    software: dict[str, str] = {}  # python, torch, triton, driver
    autotune: dict[str, Any] = {}  # kernel -> pinned configuration
    own_share: float | None = None  # of a forward's GPU time in kernels that the candidate defines, 0..1
    torch_operators: dict[str, int] = {}  # that did part of the arithmetic -> elements of the largest tensors touched
    torch_flops: dict[str, int] = {}  # of a forward, by the torch operator that did them; contractions only
    gpu_work: tuple[GpuWork, ...] = ()  # what ran on the GPU during one forward, largest first
    cost: TaskCost | None = None  # what the task can't do without; None if it could not be counted
    ceilings: Ceilings | None = None  # of the device, if they were measured
    elsewhere: tuple[Elsewhere, ...] = ()  # static facts for other targets, as far as they were asked for
    ablated: bool = False  # without its kernels the output was seen to break
    seconds: dict[str, float] = {}  # wall time by step
    notes: tuple[str, ...] = ()  # foreign GPU use, sizes that were shrunk, a fallback taken
    findings: tuple[dict[str, Any], ...] = ()  # static findings: rule, line, message, remedy


class Verdict(Frozen):
    """The outcome for one candidate on one task. A failed result with a time or a speed-up can't be constructed."""

    status: Status
    reason: str = ""
    task: str
    device: str  # the GPU measured on, or the compile target
    time: Timing | None = None
    baseline: dict[Literal["eager", "compile"], Timing | None] = {"eager": None, "compile": None}
    gain: Gain | None = None
    error: NumericError | None = None
    failing: FailingCase | None = None  # of a failure, the smallest case that was found
    kernels: tuple[KernelFacts, ...] = ()
    evidence: Evidence = Evidence()

    @model_validator(mode="after")
    def _only_verified_results_carry_times(self) -> Self:
        if self.status is not Status.VERIFIED and (self.time is not None or self.gain is not None):
            raise ValueError(f"a result that is {self.status} can't carry a time")
        return self

    @property
    def measured(self) -> bool:
        """True if the candidate was verified and timed on a real GPU."""
        return self.time is not None

    @property
    def compiled(self) -> str:
        """Identity of what its forward launches, 16 hex digits: machine code, grids, and the tensors' bytes.

        Candidates that share it run the same on the GPU, however their sources differ. Empty if a kernel's code is not
        known.
        """
        if not self.kernels or not all(kernel.code for kernel in self.kernels):
            return ""
        parts = [[k.name, k.code, k.grid, k.launches, k.read_bytes, k.written_bytes] for k in self.kernels]
        return hashlib.sha256(json.dumps(sorted(parts, key=repr)).encode()).hexdigest()[:16]

    def speedup(self, over: Literal["eager", "compile"]) -> float | None:
        """Baseline time over candidate time; None if either was not measured."""
        base = self.baseline.get(over)
        return base.median_ms / self.time.median_ms if base and self.time else None


class Profile(Frozen):
    """Profiler metrics by kernel and by metric name, and what could not be had.

    `source` says where they come from: `ncu`, or `static` when counters are not permitted or there is no GPU.
    """

    source: Literal["ncu", "static"]
    kernels: dict[str, dict[str, float]] = {}  # of one launch each: the longest
    missing: tuple[str, ...] = ()  # requested, and not there for every kernel
    reason: str = ""  # why not ncu, and what to do about it
    launches: dict[str, int] = {}  # of each kernel in the profiled forward
    missing_of: dict[str, tuple[str, ...]] = {}  # the same by kernel
    notes: tuple[str, ...] = ()  # what a reader of the figures should know
    compiled: str = ""  # identity of what was profiled: the kernels' machine code and how they are launched
