"""What becomes of a candidate. Pure functions: a verdict goes in, a word and its reason come out.

The rules, first match wins:

| the candidate                                                      | decision  |
|--------------------------------------------------------------------|-----------|
| did not verify (wrong, broken, refused, or could not be checked)   | failed    |
| was measured; nothing that works was there before                  | kept      |
| was measured; the code before it was never measured                | kept      |
| was measured; gain >= min_gain and its lower bound is above zero   | kept      |
| was measured; anything else                                        | reverted  |
| was not measured, the current code was                             | reverted  |
| was not measured; nothing that works was there before              | nominated |
| was not measured; in the order of nomination not behind the current| nominated |
| was not measured; behind it                                        | reverted  |

`nominated` never means faster. It means: worth measuring, and the next proposal may start from it. Static facts can
rule a candidate out, they can't show a gain of two percent; a candidate that they can't tell from the current code is
therefore nominated too, so that `replay --pending` can let a GPU decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from evaluator.verdict import Gain, KernelFacts, Status, Verdict
from harness.settings import SearchSettings
from prompts import conditions
from prompts.stages import Facts, Rule, Section

Word = Literal["start", "kept", "nominated", "reverted", "failed", "duplicate", "declined"]

# What the author of the code can mend. An integrity violation earns no second chance; the other two are not its fault.
BEYOND_REPAIR = frozenset({Status.UNCHECKED, Status.INTEGRITY_VIOLATION, Status.INFRA_ERROR})


@dataclass(frozen=True)
class Decision:
    """One word and the reason for it, in a clause for people."""

    word: Word
    note: str


@dataclass(frozen=True)
class Standing:
    """A candidate as decisions see it. `facts` are what the stage's conditions speak of."""

    digest: str
    verdict: Verdict
    facts: Facts


class Nomination(NamedTuple):
    """Where an unmeasured candidate stands: compared from left to right, greater is better."""

    fits: bool  # every kernel is within the target's registers, threads and shared memory
    spilled: int  # spilled bytes per thread over all kernels, negative; 0 is best
    broken_rules: int  # rules of the stage whose condition holds and whose preference it does not follow, negative
    occupancy: float  # mean theoretical occupancy of its kernels, 0..1


def decide(candidate: Standing, current: Standing | None, section: Section, search: SearchSettings) -> Decision:
    """What becomes of `candidate`, given the code that is to be beaten (None if nothing works yet)."""
    verdict = candidate.verdict
    if verdict.status is not Status.VERIFIED:
        return Decision("failed", verdict.reason)
    if verdict.measured:
        return _by_gain(verdict, current, search.min_gain)
    return _by_facts(candidate, current, section)


def repairable(verdict: Verdict) -> bool:
    """True if the code's author can be asked to mend what failed."""
    return verdict.status is not Status.VERIFIED and verdict.status not in BEYOND_REPAIR


def nomination_key(verdict: Verdict, section: Section, facts: Facts) -> Nomination:
    """The place of an unmeasured candidate in the order of nomination (protocol P20)."""
    kernels = verdict.kernels
    # With several kernels, conditions speak of one of them; so do the preferences that depend on them.
    described = [kernel for kernel in kernels if kernel.name == facts.get("kernel")] or list(kernels)
    known = [kernel.occupancy for kernel in kernels if kernel.occupancy is not None]
    return Nomination(
        fits=all(kernel.fits is not False for kernel in kernels),
        spilled=-sum(kernel.spill_bytes or 0 for kernel in kernels),
        broken_rules=-sum(1 for rule in section.rules if _broken(rule, described, facts)),
        occupancy=round(sum(known) / len(known), 3) if known else 0.0,
    )


def _by_gain(verdict: Verdict, current: Standing | None, min_gain: float) -> Decision:
    if current is None:
        return Decision("kept", "the first that works")
    if not current.verdict.measured:
        return Decision("kept", "measured, unlike the code before it")
    gain = verdict.gain
    if gain is None or gain.incumbent != current.digest:
        return Decision("reverted", "it was not measured against the current code")
    kept = gain.reaches(min_gain)
    return Decision("kept" if kept else "reverted", _gain_in_words(gain, min_gain))


def _gain_in_words(gain: Gain, min_gain: float) -> str:
    size = f"{abs(gain.estimate):.1%}"
    bound = f"at least {gain.low:+.1%}"
    if gain.reaches(min_gain):
        return f"{size} faster ({bound})"
    if gain.low > 0:
        return f"{size} faster, under the {min_gain:.1%} asked for"
    if gain.estimate >= min_gain:
        return f"{size} faster, but not surely ({bound})"
    # The upper bound lies as far above the estimate as the lower one lies below it.
    if 2 * gain.estimate - gain.low < 0:
        return f"{size} slower"
    return f"a tie ({gain.estimate:+.1%}, {bound})"


def _by_facts(candidate: Standing, current: Standing | None, section: Section) -> Decision:
    if current is None:
        return Decision("nominated", "the first that works, unmeasured")
    if current.verdict.measured:
        return Decision("reverted", "it could not be measured, the current code was")
    ours = nomination_key(candidate.verdict, section, candidate.facts)
    theirs = nomination_key(current.verdict, section, current.facts)
    if ours < theirs:
        return Decision("reverted", _difference(ours, theirs))
    return Decision("nominated", _difference(ours, theirs) if ours > theirs else "static facts can't tell them apart")


def _difference(ours: Nomination, theirs: Nomination) -> str:
    """The first place where the two differ, as a clause."""
    if ours.fits != theirs.fits:
        return "fits the target" if ours.fits else "does not fit the target"
    if ours.spilled != theirs.spilled:
        return f"spills {-ours.spilled} bytes a thread, before {-theirs.spilled}"
    if ours.broken_rules != theirs.broken_rules:
        return f"against {-ours.broken_rules} of the stage's rules, before {-theirs.broken_rules}"
    return f"occupancy {ours.occupancy:.0%}, before {theirs.occupancy:.0%}"


def _broken(rule: Rule, kernels: Sequence[KernelFacts], facts: Facts) -> bool:
    if not rule.prefer or (rule.when and conditions.evaluate(rule.when, facts) is not True):
        return False
    return any(_values(kernels, name) - {value} for name, value in rule.prefer.items())


def _values(kernels: Sequence[KernelFacts], parameter: str) -> set[object]:
    """What the kernels use for a launch option or a constexpr parameter; empty if none of them has it."""
    found = [
        {"num_warps": kernel.num_warps, "num_stages": kernel.num_stages, **kernel.constants}.get(parameter)
        for kernel in kernels
    ]
    return {value for value in found if value is not None}
