"""The facts that stage rules may speak of: one table, and how they are read from a verdict and a profile."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from evaluator.gpus import Gpu
from evaluator.verdict import KernelFacts, Profile, Verdict
from prompts import headroom
from prompts.conditions import Kind
from prompts.metrics import load_metrics
from prompts.stages import Facts

Source = Literal["compiler", "launch", "profiler", "derived", "timing", "verdict", "target"]

BINDING = 60.0  # percent of a ceiling from which on it is what holds a kernel back
LONG_SCOREBOARD = "smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio"
ISSUE_LATENCY = "smsp__average_warp_latency_per_inst_issued.ratio"
DURATION = "gpu__time_duration.sum"
OCCUPANCY_LIMITS = {
    "blocks": "launch__occupancy_limit_blocks",
    "registers": "launch__occupancy_limit_registers",
    "shared memory": "launch__occupancy_limit_shared_mem",
    "warps": "launch__occupancy_limit_warps",
}


@dataclass(frozen=True)
class Fact:
    """One fact: what rules call it, its unit (empty for words and flags), what it means, where it comes from."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    source: Source
    of: tuple[str, ...] = ()  # the facts it is derived from


_ROWS = (
    Fact("kernel", "word", "", "the kernel that the other facts describe", "verdict"),
    Fact("kernels", "number", "kernels", "kernels that the candidate launches", "verdict"),
    Fact("status", "word", "", "outcome of the last evaluation", "verdict"),
    Fact("measured", "flag", "", "whether the candidate has been timed on a GPU", "verdict"),
    Fact("compute_capability", "number", "", "the target GPU's, 9.0 for Hopper", "target"),
    Fact("registers", "number", "registers/thread", "registers allocated to a thread", "compiler"),
    Fact("spill_bytes", "number", "bytes/thread", "register spills to local memory, stores and loads", "compiler"),
    Fact("shared_bytes", "number", "bytes/block", "shared memory of a block", "compiler"),
    Fact("fits", "flag", "", "whether the kernel stays within the target's limits", "compiler"),
    Fact(
        "occupancy_percent", "number", "%", "theoretical occupancy, resident warps of those an SM can hold", "compiler"
    ),
    Fact("limited_by", "word", "", "what bounds occupancy: registers, shared memory, warps or blocks", "compiler"),
    Fact("register_limited", "flag", "", "whether registers bound occupancy", "derived", ("limited_by",)),
    Fact("num_warps", "number", "warps/block", "warps of a program instance", "launch"),
    Fact("num_stages", "number", "stages", "depth of software pipelining", "launch"),
    Fact(
        "elements_per_thread",
        "number",
        "elements/thread",
        "a program's block, the product of its block sizes, over its threads",
        "derived",
        ("num_warps",),
    ),
    Fact("multiplies", "flag", "", "whether the kernel's code multiplies matrices (tl.dot)", "launch"),
    Fact("distinct_loads", "number", "pointers", "distinct pointers that the kernel loads from", "launch"),
    Fact("launches", "number", "launches/forward", "launches of the kernel in one forward", "launch"),
    Fact("grid_size", "number", "blocks", "program instances launched", "launch"),
    Fact("waves", "number", "waves", "how often the grid fills all SMs", "derived"),
    Fact("sm_throughput", "number", "% of peak", "busiest SM pipeline", "profiler"),
    Fact("dram_throughput", "number", "% of peak", "device memory traffic", "profiler"),
    Fact("warps_active", "number", "% of peak", "achieved occupancy", "profiler"),
    Fact("l2_hit_rate", "number", "%", "L2 sectors found in the cache", "profiler"),
    Fact("memory_stalls", "number", "% of issue latency", "time that warps wait for global or local memory", "derived"),
    Fact(
        "compute_bound",
        "flag",
        "",
        "whether arithmetic holds the kernel back: sm_throughput exceeds dram_throughput",
        "derived",
        ("sm_throughput", "dram_throughput"),
    ),
    Fact(
        "memory_bound",
        "flag",
        "",
        "whether memory holds the kernel back: dram_throughput exceeds sm_throughput",
        "derived",
        ("sm_throughput", "dram_throughput"),
    ),
    Fact("time_share_percent", "number", "%", "this kernel's part of the candidate's GPU time", "timing"),
    Fact("own_share_percent", "number", "%", "all own kernels' part of the candidate's GPU time", "timing"),
    Fact("achieved_gb_s", "number", "GB/s", "bytes of the kernel's tensors, each once, over its time", "timing"),
    Fact("achieved_tflop_s", "number", "TFLOP/s", "the task's contractions over the time of the kernel", "timing"),
    Fact("bound", "word", "", "what the kernel's floor is made of: memory or compute", "timing"),
    Fact("roof", "word", "", "the ceiling that roofline_percent is a part of", "timing"),
    Fact("roofline_percent", "number", "%", "the least time that its work needs, over the kernel's time", "timing"),
    Fact("headroom_percent", "number", "%", "the most of the forward that tuning this kernel could gain", "timing"),
    Fact("own_headroom_percent", "number", "%", "the same for all own kernels together", "timing"),
    Fact("elsewhere", "word", "", "the largest part of the forward outside of the own kernels", "timing"),
    Fact("elsewhere_share_percent", "number", "%", "that part's share of the GPU time", "timing"),
    Fact("elsewhere_roofline_percent", "number", "%", "what that part reaches of elsewhere_rate", "timing"),
    Fact("elsewhere_headroom_percent", "number", "%", "the most that taking that part over could gain", "timing"),
    Fact("elsewhere_rate", "word", "", "the rate that a kernel in that part's place could use", "timing"),
    Fact("time_ms", "number", "ms", "median time of one forward, cold L2", "timing"),
    Fact("speedup_eager", "number", "x", "eager PyTorch's time over the candidate's", "timing"),
    Fact("speedup_compile", "number", "x", "torch.compile's time over the candidate's", "timing"),
)
FACTS: dict[str, Fact] = {row.name: row for row in _ROWS}
KINDS: dict[str, Kind] = {row.name: row.kind for row in _ROWS}


def collect(verdict: Verdict | None, profile: Profile | None, gpu: Gpu) -> Facts:
    """Every known fact; None where it was not determined, which conditions take for unknown.

    With several kernels the facts describe the one with the largest share of GPU time, else the first; the fact
    `kernel` names it. Where the compiler and the profiler both know a value, the compiler's is taken.
    """
    name, static = _chosen(verdict, profile)
    counters = profile.kernels.get(name, {}) if profile else {}
    facts: Facts = dict.fromkeys(FACTS)
    facts |= {metric.fact: counters.get(key) for key, metric in load_metrics().items() if metric.fact}
    facts |= _known(_of_verdict(verdict) | _of_kernel(static))
    facts |= headroom.collect(verdict, gpu, name) if verdict else {}
    facts["kernel"] = name or None
    facts["compute_capability"] = float(gpu.compute_capability)
    if facts["limited_by"] is None:
        facts["limited_by"] = _smallest_limit(counters)
    if facts["limited_by"] is not None:
        facts["register_limited"] = facts["limited_by"] == "registers"
    if facts["waves"] is None:
        facts["waves"] = _waves(static, facts["grid_size"], gpu)
    facts["elements_per_thread"] = _elements_per_thread(static, gpu)
    return facts | _derived(facts, counters)


def missing_metrics(requested: tuple[str, ...], profile: Profile | None) -> tuple[str, ...]:
    """Requested metrics that came back for no kernel, in the order of the request, then what the profiler named."""
    got = {name for counters in profile.kernels.values() for name in counters} if profile else set()
    absent = [name for name in requested if name not in got]
    return tuple(dict.fromkeys([*absent, *(profile.missing if profile else ())]))


def _chosen(verdict: Verdict | None, profile: Profile | None) -> tuple[str, KernelFacts | None]:
    statics = {kernel.name: kernel for kernel in reversed(verdict.kernels)} if verdict else {}
    counters = profile.kernels if profile else {}
    order = list(dict.fromkeys([*(kernel.name for kernel in verdict.kernels), *counters] if verdict else counters))
    if not order:
        return "", None

    def weight(name: str) -> tuple[float, float]:
        share = statics[name].time_share if name in statics else None
        return (share or 0.0, counters.get(name, {}).get(DURATION, 0.0))

    name = max(order, key=weight)  # the first among equals
    return name, statics.get(name)


def _of_verdict(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {}
    return {
        "kernels": len(verdict.kernels) or None,
        "status": verdict.status.value,
        "measured": verdict.measured,
        "time_ms": verdict.time.median_ms if verdict.time else None,
        "speedup_eager": verdict.speedup("eager"),
        "speedup_compile": verdict.speedup("compile"),
    }


def _of_kernel(kernel: KernelFacts | None) -> dict[str, Any]:
    if kernel is None:
        return {}
    return {
        "registers": kernel.registers,
        "spill_bytes": kernel.spill_bytes,
        "shared_bytes": kernel.shared_bytes,
        "fits": kernel.fits,
        "occupancy_percent": None if kernel.occupancy is None else round(100 * kernel.occupancy, 1),
        "limited_by": kernel.limited_by,
        "num_warps": kernel.num_warps,
        "num_stages": kernel.num_stages,
        "multiplies": kernel.dots,
        "distinct_loads": kernel.loads,
        "launches": kernel.launches,
        "grid_size": prod(kernel.grid) if kernel.grid else None,
        "time_share_percent": None if kernel.time_share is None else round(100 * kernel.time_share, 1),
    }


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _smallest_limit(counters: Mapping[str, float]) -> str | None:
    """What bounds occupancy, from the profiler's block counts. On a tie with registers the other one is named, since
    fewer registers would not admit another block."""
    limits = {what: counters.get(metric) for what, metric in OCCUPANCY_LIMITS.items()}
    counts = {what: count for what, count in limits.items() if count is not None}
    if len(counts) < len(limits):
        return None
    return min(counts, key=lambda what: (counts[what], what == "registers"))


def _waves(kernel: KernelFacts | None, grid_size: float | None, gpu: Gpu) -> float | None:
    """Grid over the blocks that all SMs hold at the theoretical occupancy."""
    if kernel is None or not grid_size or not kernel.occupancy or not kernel.num_warps:
        return None
    blocks_per_sm = kernel.occupancy * gpu.warps_per_sm / kernel.num_warps
    return round(grid_size / (blocks_per_sm * gpu.sms), 2)


def _elements_per_thread(kernel: KernelFacts | None, gpu: Gpu) -> float | None:
    """The compile-time constants that are block sizes by their name, multiplied, over the threads of a program."""
    if kernel is None or not kernel.num_warps:
        return None
    sizes = [size for name, size in kernel.constants.items() if "BLOCK" in name.upper() and type(size) is int]
    return round(prod(sizes) / (kernel.num_warps * gpu.warp_size), 3) if sizes else None


def _derived(facts: Facts, counters: Mapping[str, float]) -> dict[str, Any]:
    """Which resource binds, and how long warps wait for memory.

    Bound: of SM and DRAM throughput, both in percent of peak (the two axes of Nsight Compute's speed of light), the
    higher one. Without counters the ceiling that the kernel comes near to, if it does. Stalls: long-scoreboard stalls
    over the whole latency between two instructions of a warp.
    """
    sm, dram = facts["sm_throughput"], facts["dram_throughput"]
    both = sm is not None and dram is not None
    binds = facts["bound"] if not both and (facts["roofline_percent"] or 0) >= BINDING else None
    stalled, latency = counters.get(LONG_SCOREBOARD), counters.get(ISSUE_LATENCY)
    return {
        "compute_bound": sm > dram if both else binds and binds == "compute",
        "memory_bound": dram > sm if both else binds and binds == "memory",
        "memory_stalls": round(100 * stalled / latency, 1) if stalled is not None and latency else None,
    }
