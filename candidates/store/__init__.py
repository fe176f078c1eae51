"""Everything worth keeping: candidates, runs, steps, verdicts, profiles. The only package that writes SQL."""

from candidates.store.records import Ask, Decision, Kind, RunRecord, State, Step, StoredVerdict, Use
from candidates.store.store import Store

__all__ = ["Ask", "Decision", "Kind", "RunRecord", "State", "Step", "Store", "StoredVerdict", "Use"]
