"""What the caller asks of the evaluator: types that cross from the orchestrator to the oracle as JSON."""

from typing import Any, Literal

from evaluator.frozen import Frozen
from evaluator.gpus import Gpu
from evaluator.tasks import Task
from evaluator.verdict import Timing
from evaluator.work import Ceilings


class Limits(Frozen):
    """What one candidate may use. Times are wall seconds."""

    start_s: float = 60.0  # a worker's imports and CUDA context
    compile_s: float = 60.0  # ahead-of-time compilation of everything that forward launches
    first_forward_s: float = 90.0  # the first forward: compilation and autotuning included
    forward_s: float = 20.0
    search_s: float = 20.0  # for the smallest case in which a candidate fails; 0: none is looked for
    total_s: float = 240.0
    memory_gb: float = 16.0  # host memory
    processes: int = 256
    tmp_mb: int = 2048  # writable space in the sandbox
    output_kb: int = 256  # of stdout and stderr kept


class Timer(Frozen):
    """How long to measure."""

    warmup: int = 3
    rounds: int = 12  # ABBA rounds against the incumbent, at most, for each pair of workers
    pairs: int = 3  # pairs of workers, at most, where the luck of their memory leaves a comparison undecided
    audits: int = 3  # iterations on fresh inputs that the oracle times itself
    placement: tuple[tuple[float, float], ...] = ()  # (ms, standard deviation between pairs); empty: an H100's
    block_ms: float = 10.0  # GPU time of one block; two measurements at least, one of kernels that take tens of ms
    max_seconds: float = 2.0  # of GPU time over all rounds


class EvaluatorSettings(Frozen):
    """conf/evaluator/*.yaml."""

    draws: int = 5  # at least; each distribution that is derived from the task's own inputs comes once on top
    derived_s: float = 4.0  # wall seconds after which no other derived distribution is begun
    limits: Limits = Limits()
    timer: Timer = Timer()
    device: Literal["auto", "none"] = "auto"  # none: compile for the target only, even where a GPU is present
    baselines: tuple[Literal["eager", "compile"], ...] = ("eager", "compile")
    memory_cap_gb: float | None = None  # of GPU memory that a comparison may use; None: all there is
    pool: int = 1  # workers started ahead of need
    sandbox: Literal["bubblewrap", "landlock"] = "bubblewrap"  # landlock: a fallback that isolates less, and says so
    transport: Literal["auto", "ipc", "pinned"] = "auto"  # of tensors on a GPU; pinned: where CUDA has no IPC (WSL2)
    also: tuple[str, ...] = ()  # GPUs of conf/gpu that verified candidates are compiled for as well; nothing runs there
    ncu: str = "auto"  # path of Nsight Compute; auto: search; none: do not profile
    sanitizer: str = "auto"  # path of compute-sanitizer, for what would be kept; auto: search; none: do without


class Incumbent(Frozen):
    """The candidate to beat, with the configuration that its tuning chose."""

    digest: str
    source: str
    autotune: dict[str, Any] = {}


class Request(Frozen):
    """Evaluate `source` on `task` for `target`.

    `baseline` holds reference times that are already known for this task, device and software; those are not measured
    again, and neither are the device's `ceilings` if they are given. `autotune` pins configurations found earlier for
    this very candidate. `incumbent` is measured against the candidate in alternation, on a GPU only. Unless `thorough`,
    the second worker is left out in which the candidate's kernels are not launched and a GPU's work is profiled; the
    row says so (`Evidence.ablated`).
    """

    source: str
    digest: str
    task: Task
    target: Gpu
    incumbent: Incumbent | None = None
    baseline: dict[Literal["eager", "compile"], Timing] = {}
    ceilings: Ceilings | None = None
    autotune: dict[str, Any] = {}
    also: tuple[Gpu, ...] = ()  # other targets to compile for, for their static facts
    thorough: bool = True
    kernels: tuple[str, ...] = ()  # to profile, of those that the source defines; empty: all
    min_gain: float = 0.02  # over the incumbent, as a fraction; what is measured is whether it is reached
