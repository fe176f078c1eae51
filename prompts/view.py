"""Turns what is known into the lines and tables that templates print. No wording of instructions here."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evaluator import failing
from evaluator.verdict import KernelFacts, Timing, Verdict
from prompts import conditions, repeats
from prompts.context import FailedAttempt, OtherVersion, PastAttempt, PromptContext
from prompts.facts import FACTS, missing_metrics
from prompts.metrics import load_metrics
from prompts.quoting import clipped, inline
from prompts.stages import Facts, Rule

HISTORY = 6  # attempts shown; the latest ones
VERSIONS = 3  # other versions shown
VERSION_SIZE = (6000, 2000)  # characters of each, from its beginning and its end

Applies = Literal["always", "applies", "does not apply", "unknown"]


@dataclass(frozen=True)
class RuleView:
    """A rule with its evaluation on the facts at hand. `evidence` names the values that decided."""

    title: str
    when: str
    applies: Applies
    evidence: str
    prefer: str
    advice: tuple[str, ...]


def rule_view(rule: Rule, facts: Facts) -> RuleView:
    """Evaluate one rule for display.

    Raises:
        ConditionError: the rule's condition does not fit the facts.
    """
    value = conditions.evaluate(rule.when, facts)
    applies: Applies = "unknown" if value is None else "applies" if value else "does not apply"
    return RuleView(
        title=rule.title,
        when=rule.when,
        applies=applies if rule.when else "always",
        evidence=inline(conditions.evidence(rule.when, facts)),
        prefer="; or ".join(map(_assignments, [*([rule.prefer] if rule.prefer else []), *rule.together])),
        advice=rule.advice,
    )


def _assignments(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {number}" for name, number in values.items())


def facts_used(rules: Iterable[Rule], facts: Facts) -> list[str]:
    """One line for each fact that the rules speak of: name, value with unit, meaning."""
    used = {name for rule in rules for name in conditions.names(rule.when)}
    used |= {source for name in used for source in FACTS[name].of}
    lines = []
    for name, fact in FACTS.items():
        if name not in used:
            continue
        value = facts.get(name)
        said = "unknown" if value is None else f"{inline(conditions.show(value))} {fact.unit}".rstrip()
        lines.append(f"{name} = {said} ({fact.meaning})")
    return lines


def subject(facts: Facts) -> str:
    """What the facts describe: the current code, or of several kernels the one that was chosen, and why."""
    if not facts["kernel"]:
        return "the current code"
    name = f"kernel {inline(facts['kernel'])}"
    if (facts["kernels"] or 0) < 2:
        return name
    share = facts["time_share_percent"]
    return (
        f"{name}, the first of {facts['kernels']}"
        if share is None
        else f"{name}, which takes {share} % of the GPU time"
    )


def counters(context: PromptContext) -> str:
    """The profiler's metrics as JSON by kernel, empty if counters were not read."""
    profile = context.profile
    if profile is None or profile.source != "ncu" or not profile.kernels:
        return ""
    rounded = {
        kernel: {metric: _tidy(value) for metric, value in metrics.items()}
        for kernel, metrics in profile.kernels.items()
    }
    return json.dumps(rounded, indent=2)


def legend(context: PromptContext) -> list[str]:
    """Name, unit and meaning of every metric in `counters` that the table knows."""
    shown = {name for metrics in context.profile.kernels.values() for name in metrics} if context.profile else set()
    return [f"{row.name} [{row.unit}]: {row.meaning}" for name, row in load_metrics().items() if name in shown]


def missing(context: PromptContext) -> tuple[str, ...]:
    """Metrics that the stage asks for and that did not come back."""
    return tuple(inline(name) for name in missing_metrics(context.stage.metrics, context.profile))


def static_facts(kernels: Iterable[KernelFacts]) -> str:
    """What the compiler and the launch say about each kernel, as JSON with units in the keys. Empty if nothing."""
    rows = {kernel.name: _static(kernel) for kernel in kernels}
    return json.dumps(rows, indent=2) if rows else ""


@dataclass(frozen=True)
class ElsewhereView:
    """Static facts of the current code on another target, or why there are none."""

    target: str
    facts: str
    reason: str


def elsewhere(verdict: Verdict | None) -> list[ElsewhereView]:
    """One entry for each other target that the code was compiled for."""
    found = verdict.evidence.elsewhere if verdict else ()
    return [ElsewhereView(one.target, static_facts(one.kernels), one.reason) for one in found]


def _static(kernel: KernelFacts) -> dict[str, Any]:
    row = {
        "registers_per_thread": kernel.registers,
        "spill_bytes_per_thread": kernel.spill_bytes,
        "shared_bytes_per_block": kernel.shared_bytes,
        "theoretical_occupancy_percent": None if kernel.occupancy is None else _tidy(100 * kernel.occupancy),
        "occupancy_limited_by": kernel.limited_by,
        "fits_the_target": kernel.fits,
        "num_warps": kernel.num_warps,
        "num_stages": kernel.num_stages,
        "grid_blocks": " x ".join(map(str, kernel.grid)) if kernel.grid else None,
        "launches_per_forward": kernel.launches,
        "distinct_loads": kernel.loads,
        "constants": {name: value for name, value in kernel.constants.items() if isinstance(value, int | float | str)},
        "gpu_time_share_percent": None if kernel.time_share is None else _tidy(100 * kernel.time_share),
    }
    return {name: value for name, value in row.items() if value is not None and value != {}}


def time_line(verdict: Verdict | None) -> str:
    """Measured time with its interval and the baselines, or that nothing was measured."""
    if verdict is None or verdict.time is None:
        return "No time has been measured for the current code."
    parts = [f"Current time of one forward: {_milliseconds(verdict.time)}, cold L2."]
    for title, base in (
        ("Eager PyTorch", verdict.baseline.get("eager")),
        ("torch.compile", verdict.baseline.get("compile")),
    ):
        if base is not None:
            ratio = base.median_ms / verdict.time.median_ms
            parts.append(f"{title}: {base.median_ms:.4g} ms ({ratio:.2f}x the current time).")
    return " ".join(parts)


def history_lines(history: Iterable[PastAttempt]) -> tuple[list[str], int]:
    """The latest attempts, one line each, numbered over the whole run; and how many earlier ones are left out."""
    attempts = list(history)
    omitted = max(0, len(attempts) - HISTORY)
    first: dict[str, int] = {}
    lines = []
    for number, each in enumerate(attempts, 1):
        same = first.setdefault(each.digest, number) if each.digest else number
        if number > omitted:
            lines.append(f"{number}. {_attempt(each, same if same < number else None)}")
    return lines, omitted


@dataclass(frozen=True)
class VersionView:
    """Another version of the module: its code, clipped, what was found of it, and why it is shown."""

    source: str
    found: str
    why: str


def versions(inspirations: Iterable[OtherVersion]) -> list[VersionView]:
    """The first of the inspirations, as many as a prompt has room for."""
    shown = list(inspirations)[:VERSIONS]
    return [
        VersionView(clipped(each.source, *VERSION_SIZE), _outcome(each.verdict), inline(each.why, 160))
        for each in shown
    ]


def repeat_lines(failure: FailedAttempt | None, history: Iterable[PastAttempt]) -> list[str]:
    """The latest attempts before this failure that had its code or failed the same way, one line each."""
    if failure is None:
        return []
    lines = []
    for number, each in repeats.earlier(failure, history)[-HISTORY:]:
        how = "the same code" if each.digest and each.digest == failure.digest else "the same error"
        lines.append(f"attempt {number} ({inline(each.change, 160) or 'a new version'}): {how}.")
    return lines


def _attempt(attempt: PastAttempt, original: int | None) -> str:
    change = inline(attempt.change, 160) or "a new version"
    if original is not None:
        return f"{change}: the very code of attempt {original} once more; it counted for nothing."
    return f"{change}: {_outcome(attempt.verdict)} {_decision(attempt)}"


def _decision(attempt: PastAttempt) -> str:
    """What became of it; where nothing was timed, why: a gain and a failure speak for themselves."""
    verdict = attempt.verdict
    if verdict.status != "verified" or verdict.time is not None:
        return "Kept." if attempt.kept else "Not kept."
    word = "Nominated" if attempt.kept else "Not nominated"
    return f"{word}: {inline(attempt.note, 120)}." if attempt.note else f"{word}."


def _outcome(verdict: Verdict) -> str:
    if verdict.gain is not None and verdict.time is not None:
        gain = verdict.gain
        change = f"{abs(100 * gain.estimate):.1f} % {'less' if gain.estimate >= 0 else 'more'}"
        return f"right, {verdict.time.median_ms:.4g} ms against {gain.incumbent_ms:.4g} ms before ({change})."
    if verdict.time is not None:
        return f"right, {verdict.time.median_ms:.4g} ms."
    if verdict.status == "verified":
        return f"right, not timed{_compiled(verdict)}."
    reason = inline(verdict.reason, 160)
    return f"{verdict.status.value}{f' ({reason})' if reason else ''}."


def _compiled(verdict: Verdict) -> str:
    worst = max(verdict.kernels, key=lambda kernel: kernel.registers or 0, default=None)
    if worst is None or worst.registers is None:
        return ""
    spills = "" if worst.spill_bytes is None else f", {worst.spill_bytes} bytes spilled"
    return f"; {worst.registers} registers/thread{spills}"


def case(verdict: Verdict) -> str:
    """The smallest failing case, line by line; empty if none was found."""
    return "\n".join(failing.lines(verdict.failing)) if verdict.failing else ""


def error_line(verdict: Verdict) -> str:
    """How far a wrong output was off; empty if that is not known."""
    error = verdict.error
    if error is None:
        return ""
    where = f" Worst: {inline(error.worst, 300)}." if error.worst else ""
    return (
        f"Largest error over {error.draws} draws: {error.max_abs:.3g}, which is {error.max_scaled:.3g} of the output's "
        f"RMS; the reference itself is off by {error.reference_max_abs:.3g}.{where}"
    )


def _milliseconds(timing: Timing) -> str:
    return f"{timing.median_ms:.4g} ms (95 % interval {timing.low_ms:.4g} to {timing.high_ms:.4g} ms)"


def _tidy(value: float) -> float | int:
    rounded = round(value, 2)
    return int(rounded) if float(rounded).is_integer() else rounded
