"""From a verdict to a member of the search: how good a candidate is, and in what way it behaves.

Strategies compare members and never see a verdict; this is where the one becomes the other.
"""

from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import yaml

from evaluator.gpus import Gpu
from evaluator.verdict import Verdict
from harness.decisions import Standing, nomination_key
from harness.search.base import Member
from prompts.stages import Section

AXES = Path(__file__).resolve().parents[2] / "conf" / "behaviour.yaml"
MEASURED, UNMEASURED = 1.0, 0.0

Axes = Mapping[str, Mapping[str, tuple[float, ...]]]
"""Axis -> measure -> the bounds between its buckets."""


def member(standing: Standing, section: Section, gpu: Gpu, known: Mapping[str, Member], island: int = 0) -> Member:
    """A verified candidate as strategies see it.

    Args:
        standing: the candidate, its verdict and its facts.
        section: of the stage that the search is in; its rules order candidates that were not measured.
        gpu: the target.
        known: the members that were told before, by digest; the incumbent it was measured against is one of them.
        island: where it was bred.
    """
    return Member(standing.digest, fitness(standing, section, known), cell(standing, gpu), island)


def fitness(standing: Standing, section: Section, known: Mapping[str, Member]) -> tuple[float, ...]:
    """Compared from left to right, greater is better: measured before unmeasured, then speed or order of nomination.

    Speed is in units of the baseline. Times of two sessions can't be compared, ratios of one session can: so the speed
    of a candidate is that of the incumbent it took turns with, over the share of the incumbent's time that it needs.
    """
    if standing.verdict.measured:
        return (MEASURED, _speed(standing.verdict, known))
    nomination = nomination_key(standing.verdict, section, standing.facts)
    return (UNMEASURED, *(float(part) for part in nomination))


def _speed(verdict: Verdict, known: Mapping[str, Member]) -> float:
    gain = verdict.gain
    incumbent = known.get(gain.incumbent) if gain else None
    if gain is not None and incumbent is not None and incumbent.fitness[0] == MEASURED:
        return incumbent.fitness[1] / (1 - gain.estimate)
    return verdict.speedup("eager") or verdict.speedup("compile") or 1.0


def cell(standing: Standing, gpu: Gpu) -> tuple[int, ...]:
    """Where the behaviour lies: a coordinate for each axis of conf/behaviour.yaml (memory, compute, parallelism)."""
    values = _measures(standing, gpu)
    coordinates = []
    for measures in axes().values():
        coordinate = 0
        for name, bounds in measures.items():
            coordinate = coordinate * (len(bounds) + 1) + bisect_right(bounds, values[name])
        coordinates.append(coordinate)
    return tuple(coordinates)


def _measures(standing: Standing, gpu: Gpu) -> dict[str, float]:
    """What the axes speak of, of the kernel that the facts describe."""
    facts = standing.facts
    kernels = [kernel for kernel in standing.verdict.kernels if kernel.name == facts.get("kernel")]
    return {
        "shared_share": (facts.get("shared_bytes") or 0) / gpu.shared_per_block_bytes,
        "loads": facts.get("distinct_loads") or 0,
        # A product of float32 that is computed as such is no work for them.
        "tensor_cores": any(kernel.dots and kernel.precision for kernel in kernels),
        "registers": facts.get("registers") or 0,
        "waves": facts.get("waves") or 0,
        "warps": facts.get("num_warps") or 0,
    }


@lru_cache(maxsize=1)
def axes() -> Axes:
    """The axes of behaviour and the bounds of their buckets."""
    read = yaml.safe_load(AXES.read_text(encoding="utf-8"))
    return {axis: {name: tuple(bounds) for name, bounds in measures.items()} for axis, measures in read.items()}
