"""The parts that a prompt can do without: what each is called, what it shows, and which goes first if room is short.

What is asked for, the current code, the failure, the API and the output rules are always there. Everything else has a
name here. It can be left out on purpose (`prompt.omit=[history]`, to measure what it is worth), and is left out one
after the other, in the order of `OPTIONAL`, where a model's context is too short for all.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from evaluator.catalog import unknown

PARTS: Mapping[str, str] = {
    "example": "the worked example of another task in a draft",
    "board": "the best few of the run's candidates that are right",
    "legend": "unit and meaning of each hardware counter",
    "inspirations": "other versions of the module, to learn from or to be joined with the current one",
    "deltas": "what changed from the code that the current one was made from",
    "history": "what was tried in this run, and what it did",
    "static": "registers, spills, occupancy and launches of each kernel",
    "counters": "the hardware counters of each kernel",
    "headroom": "where the time goes, and how near to its ceiling each part runs",
    "repeats": "which earlier attempts failed as the one that is to be repaired",
    "facts": "the values that the stage's rules speak of",
    "case": "the smallest case in which a failed candidate fails",
    "rules": "the stage's rules, each with what decides it",
    "reference": "the PyTorch module to replace, except in a draft, which can't be made without it",
}
"""Name -> what it shows. In the order in which they are dropped: what is long and decides least comes first."""

OPTIONAL: tuple[str, ...] = tuple(PARTS)


def known(names: Iterable[str]) -> frozenset[str]:
    """The names as a set.

    Raises:
        UsageError: one is no optional part; the nearest is suggested.
    """
    chosen = frozenset(names)
    if strange := sorted(chosen - set(OPTIONAL)):
        raise unknown("optional part of a prompt", strange[0], OPTIONAL)
    return chosen


def without(values: Mapping[str, Any], omit: Collection[str]) -> dict[str, Any]:
    """Template variables in which every part of `omit` is empty: falsy, and of no length."""
    return {name: () if name in omit else value for name, value in values.items()}
