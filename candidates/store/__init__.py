"""Everything worth keeping: candidates, runs, steps, verdicts, profiles. The only package that writes SQL.

The names below are imported when they are first used: a look at the board (`candidates.store.glance`) needs none.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from candidates.store.records import Ask, Decision, Kind, RunRecord, State, Step, StoredVerdict, Subject, Use
    from candidates.store.store import Store

__all__ = ["Ask", "Decision", "Kind", "RunRecord", "State", "Step", "Store", "StoredVerdict", "Subject", "Use"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "store" if name == "Store" else "records"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
