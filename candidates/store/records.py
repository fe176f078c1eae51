"""What the store takes and gives back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from evaluator.frozen import Frozen
from evaluator.verdict import Verdict

State = Literal["running", "finished", "interrupted"]
Kind = Literal["start", "proposal", "repair"]
Decision = Literal["start", "kept", "nominated", "reverted", "failed", "duplicate", "declined"]


class RunRecord(Frozen):
    """One run of the loop. `key` identifies what was asked for; runs that share it answer the same question."""

    id: str  # 8 hex digits
    key: str
    state: State
    settings: dict[str, Any]
    created: datetime  # UTC
    reason: str = ""  # why it ended


class Use(Frozen):
    """What a proposer spends. `usd` is None when the price is not known."""

    usd: float | None = 0.0
    tokens: int = 0
    calls: int = 0


class Ask(Frozen):
    """One question of a run, saved before it is put to anybody; the step with its number as `ticket` is the answer.

    Asks and steps are one log: an ask comes after the step `after - 1` and before the step `after`, asks of one place
    in the order of their numbers.
    """

    number: int  # 0, 1, ... within the run
    after: int  # how many steps the log had
    stage: str
    visit: int = 0  # which of the stages that the run entered, from 0: one that is named twice is two
    round: int = 1  # of that stage, from 1; a repair has the round of what it repairs
    kind: Kind = "proposal"
    mends: int | None = None  # of a repair: the number of the ask whose candidate failed
    operator: str = "improve"  # from here on the plan, see harness/search/base.py
    parent: str = ""
    inspirations: tuple[str, ...] = ()
    model: str = ""
    island: int = 0
    sample: int = 0
    reserved: Use = Use()  # the most that one attempt can cost; what it did cost, once an answer arrived
    lost: Use = Use()  # what attempts may have cost whose answers never came
    open: bool = True  # an attempt began, and nothing says how it ended
    arrived: str = ""  # hash of the text of what was proposed, which came but may not have been judged yet


class Step(Frozen):
    """One entry of a run's log: a proposal, what came of it, and what it cost."""

    index: int  # 0, 1, ... within the run
    ticket: int | None = None  # number of the ask that it answers; None for the start, and in logs from before asks
    stage: str = ""
    round: int = 0
    kind: Kind = "proposal"
    candidate: str = ""  # digest; empty if no code came out of the reply
    parent: str = ""  # digest of the code that it started from
    proposer: str = ""
    change: str = ""
    model: str = ""
    problem: str = ""  # why there was nothing to evaluate, whatever the reply holds
    operator: str = ""  # of the plan that it follows, as are the next three
    inspirations: tuple[str, ...] = ()  # digests
    island: int = 0
    sample: int = 0
    prompt: str = ""  # hash of the text, see Store.text
    reply: str = ""
    analysis_prompt: str = ""  # of the question that was asked before a repair, and the hash of its answer
    analysis_reply: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0  # None: the model's price is not known
    seconds: float = 0.0  # wall time that the run took for it: since the step before it
    reply_seconds: float = 0.0  # from the question to the answer
    evaluation_seconds: float = 0.0  # that the evaluator was busy since the step before it
    gpu_seconds: float = 0.0  # the same where it has a GPU
    calls: int = 0
    verdict: Verdict | None = None  # None for a duplicate
    decision: Decision
    note: str = ""
    run: str = ""  # id of the run; filled in by the store

    @property
    def parents(self) -> tuple[str, ...]:
        """What it was made from: its parent, and of a crossover the code that this was joined with."""
        joined = self.inspirations[:1] if self.operator == "crossover" else ()
        return (*([self.parent] if self.parent else ()), *joined)


class StoredVerdict(Frozen):
    """A verdict with what it is about. `fingerprint` names the device and the software it was reached with."""

    digest: str
    task_name: str
    task_digest: str
    fingerprint: str
    verdict: Verdict
    created: datetime  # UTC


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a candidate on a task, on one device with one set of software."""

    digest: str
    task_digest: str
    fingerprint: str
