"""How near a candidate's kernels come to what the device could do, and what tuning them could still gain.

The roofline model (Williams, Waterman, Patterson 2009): work that moves B bytes and does F operations can't take less
than max(B / bandwidth, F / rate). A kernel's fraction of it is that floor over the kernel's time. If nothing else
changes, a kernel that takes the share s of a forward and reaches the fraction f can gain s * (1 - f) of the forward at
most (Amdahl's law).

What is a bound and what an estimate: times and, if measured, ceilings are measurements. Bytes are those of the tensors
that a launch is given, loaded and stored once each; a kernel that touches a part of a tensor only moves less, so a
fraction well above one is taken for unknown. A floor above the time of a whole forward of the reference, eager or
compiled, is refuted by it: that time is the floor then. Operations are known for contractions alone; what torch does
not do of them is the only kernel's that multiplies matrices (or the only kernel), unknown if there are several. What
is not known never makes a fraction larger, so headroom is an upper bound of what tuning can gain.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from evaluator.gpus import Gpu
from evaluator.verdict import KernelFacts, Verdict
from evaluator.work import Ceilings, GpuWork, family

Bound = Literal["memory", "compute"]

_BASELINES = {"eager": "the eager reference", "compile": "torch.compile"}
_IMPOSSIBLE = 1.1  # a fraction beyond it says that the bytes were not all moved, or came from the L2
_FORMATS = {"f16": "FP16", "bf16": "BF16", "tf32": "TF32"}
_DTYPES = {"float32": "FP32", "float16": "FP16", "bfloat16": "BF16"}


@dataclass(frozen=True)
class Roof:
    """One own kernel under the roof; all its launches in a forward together. None where something is not known.

    `share` and `headroom` are fractions of the forward's time; `fraction` is of the roofline, 0..1. `rate` names the
    format whose matrix rate bounds it. `passed_by` is the baseline, eager or compile, that ran below the floor that the
    ceilings give; `floor_ms` is what that baseline's time leaves of it.
    """

    name: str
    share: float | None
    ms: float | None
    gb_s: float | None = None
    tflop_s: float | None = None
    bound: Bound | None = None
    rate: str = ""
    floor_ms: float | None = None
    fraction: float | None = None
    passed_by: str = ""

    @property
    def ceiling(self) -> str:
        """What the fraction is of, in words."""
        if self.passed_by:
            return f"speed of {_BASELINES[self.passed_by]}"
        return "copy bandwidth" if self.bound == "memory" else f"{self.rate} rate"

    @property
    def headroom(self) -> float | None:
        """The most that tuning this kernel could gain: all of its share, if nothing is known about its fraction."""
        return None if self.share is None else self.share * (1 - (self.fraction or 0.0))


@dataclass(frozen=True)
class Elsewhere:
    """The largest part of a forward that is not in the candidate's own kernels.

    `fraction` is what it reaches of the rate that a kernel in its place could use (`rate`), None if that is not known.
    """

    what: str  # convolution (cuDNN)
    share: float
    ms: float
    rate: str = ""
    fraction: float | None = None

    @property
    def headroom(self) -> float | None:
        """The most that taking it over could gain; None if nobody knows how fast it could be."""
        return None if self.fraction is None else self.share * (1 - self.fraction)


def ceilings_of(verdict: Verdict, gpu: Gpu) -> Ceilings:
    """The device's measured ceilings if the verdict has them, else the datasheet's."""
    return verdict.evidence.ceilings or Ceilings.of_datasheet(gpu)


def roofs(verdict: Verdict, ceilings: Ceilings) -> tuple[Roof, ...]:
    """Every own kernel of a measured candidate, in the order of the verdict; empty if nothing was measured."""
    if verdict.time is None:
        return ()
    grouped: dict[str, list[KernelFacts]] = {}
    for kernel in verdict.kernels:  # specialisations of one kernel share a time, since they share a name
        grouped.setdefault(kernel.name, []).append(kernel)
    flops = _flops(verdict)
    found = tuple(
        _roof(name, facts, _share(name, facts, verdict), verdict.time.median_ms, ceilings, flops.get(name))
        for name, facts in grouped.items()
    )
    return _lowered(found, verdict)


def own_headroom(found: Iterable[Roof]) -> float | None:
    """The most that tuning all own kernels could gain together, as a fraction; None if a share is not known."""
    parts = [roof.headroom for roof in found]
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def elsewhere(verdict: Verdict, ceilings: Ceilings) -> Elsewhere | None:
    """Where the rest of a forward goes: of torch's own work the largest kind, one contraction or everything else."""
    if verdict.time is None:
        return None
    kinds: dict[str, list[GpuWork]] = {}
    for work in verdict.evidence.gpu_work:
        if work.kind != "own":
            kinds.setdefault(family(work.operator), []).append(work)
    if not kinds:
        return None
    name, rows = max(kinds.items(), key=lambda item: sum(row.share for row in item[1]))
    share = sum(row.share for row in rows)
    ms = share * verdict.time.median_ms
    if not name:
        return Elsewhere(f"torch's other work ({rows[0].operator or rows[0].name[:60]})", share, ms)
    rate, tflops = _permitted(verdict, ceilings)
    done = sum(count for operator, count in verdict.evidence.torch_flops.items() if family(operator) == name)
    fraction = done / (ms * 1e9) / tflops if done and tflops and ms else None
    library = {"convolution": "cuDNN", "matmul": "cuBLAS"}.get(name, "torch")
    return Elsewhere(f"{name} ({library})", share, ms, rate, None if fraction is None else min(fraction, 1.0))


def _permitted(verdict: Verdict, ceilings: Ceilings) -> tuple[str, float | None]:
    """The fastest format that this task lets a kernel multiply matrices in, and its rate."""
    cost = verdict.evidence.cost
    rate = _DTYPES.get(cost.dtype if cost else "", "")
    if rate == "FP32" and verdict.evidence.precision.get("allow_reduced"):
        rate = "TF32"
    return rate, _tflops(ceilings, rate) if rate else None


def _tflops(ceilings: Ceilings, rate: str) -> float:
    return float(getattr(ceilings, f"{rate.lower()}_tflops"))


def _share(name: str, facts: list[KernelFacts], verdict: Verdict) -> float | None:
    """By events around its launches; by the profile of a forward where those are missing."""
    by_events = next((kernel.time_share for kernel in facts if kernel.time_share is not None), None)
    if by_events is not None:
        return min(by_events, 1.0)
    seen = [work.share for work in verdict.evidence.gpu_work if work.kind == "own" and work.name == name]
    return min(sum(seen), 1.0) if seen else None


def _flops(verdict: Verdict) -> dict[str, int]:
    """Contractions' FLOPs by own kernel, as far as they can be told apart."""
    cost = verdict.evidence.cost
    if cost is None:
        return {}
    left = sum(cost.contractions.values()) - sum(verdict.evidence.torch_flops.values())
    names = {kernel.name for kernel in verdict.kernels}
    doing = {kernel.name for kernel in verdict.kernels if kernel.dots} or names
    return {next(iter(doing)): left} if left > 0 and len(doing) == 1 else {}


def _roof(
    name: str, facts: list[KernelFacts], share: float | None, forward_ms: float, ceilings: Ceilings, flops: int | None
) -> Roof:
    ms = None if share is None else share * forward_ms
    moved = [None if k.read_bytes is None else k.read_bytes + (k.written_bytes or 0) for k in facts]
    counted = sum(each for each in moved if each is not None) if None not in moved else None
    if not ms or not counted:
        return Roof(name, share, ms)
    rate = _rate(facts, ceilings)
    memory_ms = counted / (ceilings.copy_gb_s * 1e6)
    compute_ms = flops / (_tflops(ceilings, rate) * 1e9) if flops else 0.0
    floor = max(memory_ms, compute_ms)
    fraction = floor / ms
    return Roof(
        name,
        share,
        ms,
        gb_s=counted / (ms * 1e6),
        tflop_s=flops / (ms * 1e9) if flops else None,
        bound="memory" if memory_ms >= compute_ms else "compute",
        rate=rate,
        floor_ms=floor,
        fraction=None if fraction > _IMPOSSIBLE else min(fraction, 1.0),
    )


def _lowered(found: tuple[Roof, ...], verdict: Verdict) -> tuple[Roof, ...]:
    """Floors that together are no higher than what the fastest baseline takes for all of its forward.

    Kernels that read more than they write pass the bandwidth of a copy, so a ceiling is no proof where one did.
    """
    known = [roof.floor_ms for roof in found if roof.floor_ms is not None and roof.fraction is not None]
    seen = {name: timing.high_ms for name, timing in verdict.baseline.items() if timing is not None}
    fastest = min(seen, key=lambda name: seen[name], default=None)
    if fastest is None or sum(known) <= seen[fastest]:
        return found
    scale = seen[fastest] / sum(known)
    return tuple(_scaled(roof, scale, fastest) for roof in found)


def _scaled(roof: Roof, scale: float, passed_by: str) -> Roof:
    if roof.floor_ms is None or roof.fraction is None or not roof.ms:
        return roof
    floor = scale * roof.floor_ms
    return replace(roof, floor_ms=floor, fraction=min(floor / roof.ms, 1.0), passed_by=passed_by)


def _rate(facts: list[KernelFacts], ceilings: Ceilings) -> str:
    """The fastest format among those that the kernel's code works in: the others may only be what it converts from."""
    if not any(kernel.dots for kernel in facts):
        return "FP32"
    formats = {_FORMATS[each] for kernel in facts for each in kernel.precision if each in _FORMATS}
    return max(("FP32", *sorted(formats)), key=lambda rate: _tflops(ceilings, rate))
