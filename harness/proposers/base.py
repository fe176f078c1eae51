"""The seam between the loop and whoever proposes candidates: a model, the rules, or a recording."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from candidates.static_rules import Finding
from evaluator.gpus import Gpu
from evaluator.tasks import Task
from evaluator.verdict import Profile, Verdict
from harness.llm.budget import Spent
from harness.search.base import Plan
from prompts.stages import Facts, Stage


@dataclass(frozen=True)
class Attempt:
    """One earlier proposal in this run and what came of it, for history and for repair."""

    digest: str  # empty if no code came out of the reply
    change: str
    verdict: Verdict
    kept: bool
    note: str = ""  # the reason for keeping it or not, in a clause


@dataclass(frozen=True)
class Known:
    """What is known about code that was evaluated before."""

    verdict: Verdict
    profile: Profile | None = None


@dataclass(frozen=True)
class Failure:
    """The failed attempt that is to be repaired."""

    source: str  # what was tried; empty if the reply held no code
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    digest: str = ""  # of the source
    analysis: str = ""  # what a model said is wrong with it, once it was asked


@dataclass(frozen=True)
class Inspiration:
    """Another candidate that is shown beside the current code: what it is, what was found, and why it is shown."""

    source: str
    verdict: Verdict
    why: str  # a clause for the prompt


@dataclass(frozen=True)
class Context:
    """Everything a proposer may look at.

    `plan` says what is asked of it: which model writes, by which operator, and the number of the sample. The code that
    `plan.parent` names is `source`; `inspirations` are what its own name, in the same order.
    """

    task: Task
    gpu: Gpu
    stage: Stage
    round: int  # counts from 1
    digest: str = ""  # of the current code
    source: str = ""  # the current code: what the proposal is to start from
    verdict: Verdict | None = None  # of the current code
    profile: Profile | None = None  # of the current code
    facts: Facts = field(default_factory=dict)
    before: Known | None = None  # the code that the current one was made from
    board: tuple[Attempt, ...] = ()  # what is right of all that the run has tried, its start included
    history: tuple[Attempt, ...] = ()
    seen: frozenset[str] = frozenset()  # digests of everything tried in this run
    failure: Failure | None = None  # set when a repair is asked for
    plan: Plan = Plan()
    inspirations: tuple[Inspiration, ...] = ()
    ticket: int = -1  # number of the ask that is to be answered
    mends: int | None = None  # of a repair: the number of the ask whose candidate failed
    left_usd: float | None = None  # of the budget: no retry of a lost request is made that could pass it; None: no cap


@dataclass(frozen=True)
class Cost:
    """What a proposal cost. `usd` is None when the price of the model is not known."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0
    calls: int = 0

    def spent(self) -> Spent:
        """The same as a part of what a run spends."""
        return Spent(usd=self.usd, tokens=self.prompt_tokens + self.completion_tokens, calls=self.calls)

    def __add__(self, other: "Cost") -> "Cost":
        """Both; what is unknown stays so."""
        return Cost(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
            self.seconds + other.seconds,
            self.calls + other.calls,
        )


@dataclass(frozen=True)
class Exchange:
    """One question to a model and its answer."""

    prompt: str
    reply: str


@dataclass(frozen=True)
class Proposal:
    """One act of producing a candidate: a reply that code is to be extracted from, or the code itself, or a problem.

    A repair may have been preceded by an `analysis` of the failure; `cost` is that of both.
    """

    proposer: str  # llm | rules | recorded
    change: str  # one line for people: "num_warps 8 -> 4 in ln_gelu_scale"
    source: str | None = None
    prompt: str | None = None
    reply: str | None = None
    problem: str = ""  # why there is nothing to evaluate, whatever the reply holds: it was cut off, or never came
    note: str = ""  # what was done to get it that a person should know: "from the cache"
    model: str = ""
    cost: Cost = Cost()
    analysis: Exchange | None = None


class Proposer(Protocol):
    """Produces candidates. Knows no evaluator and no store."""

    name: str

    def propose(self, context: Context) -> Proposal | None:
        """The next proposal, or None when this proposer has nothing left to offer for this context."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A proposer that says, after it offered nothing, why."""

    reason: str


@runtime_checkable
class Metered(Protocol):
    """A proposer that spends. Before each proposal its worst case is held against the budget (`Limit.reserve`)."""

    def worst(self, context: Context) -> Spent:
        """The most that the next proposal can cost, retries apart."""
        ...
