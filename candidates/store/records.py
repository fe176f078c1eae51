"""What the store takes and gives back."""

from datetime import datetime
from typing import Any, Literal

from evaluator.verdict import Frozen, Verdict

State = Literal["running", "finished", "interrupted"]
Kind = Literal["start", "proposal", "repair"]
Decision = Literal["start", "kept", "nominated", "reverted", "failed", "duplicate"]


class RunRecord(Frozen):
    """One run of the loop. `key` identifies what was asked for; runs that share it answer the same question."""

    id: str  # 8 hex digits
    key: str
    state: State
    settings: dict[str, Any]
    created: datetime  # UTC
    reason: str = ""  # why it ended


class Step(Frozen):
    """One entry of a run's log: a proposal, what came of it, and what it cost. A run is rebuilt from its steps."""

    index: int  # 0, 1, ... within the run
    stage: str = ""
    round: int = 0
    kind: Kind = "proposal"
    candidate: str = ""  # digest; empty if no code came out of the reply
    parent: str = ""  # digest of the code that it started from
    proposer: str = ""
    change: str = ""
    model: str = ""
    problem: str = ""  # why there was nothing to evaluate, whatever the reply holds
    prompt: str = ""  # hash of the text, see Store.text
    reply: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0  # None: the model's price is not known
    seconds: float = 0.0
    calls: int = 0
    verdict: Verdict | None = None  # None for a duplicate
    decision: Decision
    note: str = ""
    run: str = ""  # id of the run; filled in by the store


class StoredVerdict(Frozen):
    """A verdict with what it is about. `fingerprint` names the device and the software it was reached with."""

    digest: str
    task_name: str
    task_digest: str
    fingerprint: str
    verdict: Verdict
    created: datetime  # UTC


class Provenance(Frozen):
    """The step in which a candidate was first proposed for a task, and whether it was ever nominated there."""

    candidate: str
    task: str
    run: str
    stage: str
    proposer: str
    change: str
    parents: tuple[str, ...]
    nominated: int  # position of its latest nomination in time, from 1; 0 if it was never nominated


class Outcome(Frozen):
    """One outcome of one candidate, without its details. `subject` is its digest, or names a step without code."""

    subject: str
    task: str
    device: str
    status: str
    trusted: bool  # checked on a device, which outweighs the interpreter
