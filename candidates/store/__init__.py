"""Everything worth keeping: candidates, runs, steps, verdicts, profiles. The only package that writes SQL."""

from candidates.store.records import Decision, Kind, RunRecord, State, Step, StoredVerdict
from candidates.store.store import Store

__all__ = ["Decision", "Kind", "RunRecord", "State", "Step", "Store", "StoredVerdict"]
