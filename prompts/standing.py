"""Where the current code stands: against the code it was made from, among the candidates that are right, and under the
roofline. Lines for prompts; no instructions.
"""

from collections.abc import Iterable
from math import inf

from evaluator import roofline
from evaluator.gpus import Gpu
from evaluator.roofline import Elsewhere, Roof
from evaluator.verdict import Verdict
from prompts import conditions, headroom
from prompts.context import Measured, PastAttempt
from prompts.facts import FACTS, collect
from prompts.quoting import inline
from prompts.stages import Facts

ROWS = 5  # of the board

_COMPARED = ("compiler", "launch", "profiler", "derived")  # sources of facts that a change of code changes


def delta_lines(now: Facts, before: Measured | None, verdict: Verdict | None, gpu: Gpu) -> list[str]:
    """What changed from the code that the current one was made from: its time, and every known fact that differs."""
    if before is None or verdict is None:
        return []
    then = collect(before.verdict, before.profile, gpu)
    lines = [line for line in (_time_delta(before.verdict, verdict), _kernel_delta(then, now)) if line]
    for name, fact in FACTS.items():
        old, new = then.get(name), now.get(name)
        if fact.source in _COMPARED and None not in (old, new) and old != new:
            said = f"{inline(conditions.show(old))} -> {inline(conditions.show(new))}"
            lines.append(f"{name}: {said} {fact.unit}".rstrip())
    return lines


def _time_delta(before: Verdict, now: Verdict) -> str:
    """From the comparison of the two in turns where there was one, else from two measurements apart."""
    if now.time is None or before.time is None:
        return ""
    if now.gain is not None:
        old, gain, how = now.gain.incumbent_ms, now.gain.estimate, "measured in turns"
    else:
        old, how = before.time.median_ms, "measured apart"
        gain = 1 - now.time.median_ms / old
    return f"time: {old:.4g} -> {now.time.median_ms:.4g} ms ({_change(gain)}, {how})"


def _kernel_delta(then: Facts, now: Facts) -> str:
    """A comparison of two different kernels says so first."""
    old, new = then.get("kernel"), now.get("kernel")
    return f"kernel: {inline(old)} -> {inline(new)}" if old and new and old != new else ""


def board_lines(attempts: Iterable[PastAttempt], current: Verdict | None) -> list[str]:
    """The best few candidates of the run that are right: measured ones by time, then the others in their order."""
    right = {each.digest: each for each in attempts if each.digest and each.verdict.status == "verified"}
    ranked = sorted(right.values(), key=lambda each: each.verdict.time.median_ms if each.verdict.time else inf)
    if len(ranked) < 2:
        return []
    return [f"{number}. {_row(each, current)}" for number, each in enumerate(ranked[:ROWS], 1)]


def _row(attempt: PastAttempt, current: Verdict | None) -> str:
    change = inline(attempt.change, 100) or "a version without a name"
    mine = " (the current code)" if current is not None and attempt.verdict == current else ""
    return f"{change}{mine}: {_result(attempt.verdict, current)}"


def _result(verdict: Verdict, current: Verdict | None) -> str:
    if verdict.time is None:
        return _static(verdict)
    ratio = ""
    if current is not None and current.time is not None and current != verdict:
        ratio = f", {verdict.time.median_ms / current.time.median_ms:.2f}x the current time"
    return f"{verdict.time.median_ms:.4g} ms{ratio}"


def _static(verdict: Verdict) -> str:
    """Of a candidate that was not timed, the kernel with most registers."""
    known = [kernel for kernel in verdict.kernels if kernel.registers is not None]
    if not known:
        return "right, not timed"
    worst = max(known, key=lambda kernel: kernel.registers or 0)
    spills = "" if worst.spill_bytes is None else f", {worst.spill_bytes} bytes spilled"
    occupancy = "" if worst.occupancy is None else f", occupancy {worst.occupancy:.0%}"
    return f"not timed; {worst.registers} registers/thread{spills}{occupancy}"


def headroom_lines(verdict: Verdict | None, gpu: Gpu) -> list[str]:
    """Where a forward's time goes, how near to its ceiling each part runs, and what that leaves to gain."""
    if verdict is None or verdict.time is None:
        return []
    ceilings = roofline.ceilings_of(verdict, gpu)
    kind = "measured" if ceilings.source == "measured" else "from the datasheet"
    lines = [_roof(roof, kind) for roof in roofline.roofs(verdict, ceilings) if roof.share is not None]
    other = roofline.elsewhere(verdict, ceilings)
    if other is not None:
        lines.append(_elsewhere(other))
    left = headroom.collect(verdict, gpu, "").get("own_headroom_percent")
    if lines and left is not None:
        lines.append(f"Tuning its own kernels can gain at most {left:.3g} % of the time.")
    return lines


def _roof(roof: Roof, kind: str) -> str:
    said = f"{inline(roof.name)}: {roof.share or 0.0:.0%} of the time"
    if roof.fraction is None:
        return f"{said}; how near it is to its ceiling is not known"
    known = "memory bandwidth" if roof.bound == "memory" else f"{roof.rate} rate"
    ceiling = roof.ceiling if roof.passed_by else f"{known} {kind}"
    rate = "" if roof.gb_s is None else f" ({roof.gb_s:.4g} GB/s)"
    return f"{said}, at {roof.fraction:.0%} of the {ceiling}{rate}; at most {roof.headroom or 0.0:.1%} to gain"


def _elsewhere(other: Elsewhere) -> str:
    said = f"{inline(other.what)}: {other.share:.0%} of the time"
    if other.fraction is None or other.headroom is None:
        return f"{said}; nobody knows how fast it could be"
    gain = f"at most {other.headroom:.1%} to gain by taking it over"
    return f"{said}, at {other.fraction:.0%} of the {other.rate} rate; {gain}"


def _change(gain: float) -> str:
    return f"{abs(100 * gain):.1f} % {'less' if gain >= 0 else 'more'}"
