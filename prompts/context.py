"""What a prompt is made from. The seams are structural, so that callers pass their own records as they are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evaluator.gpus import Gpu
from evaluator.tasks import Task
from evaluator.triton_api import TritonApi
from evaluator.verdict import Profile, Verdict
from prompts.stages import Facts, Stage


class Note(Protocol):
    """A static finding about failed code (candidates.static_rules.Finding)."""

    @property
    def rule(self) -> str: ...
    @property
    def line(self) -> int | None: ...
    @property
    def message(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def severity(self) -> str: ...  # refuse | advice


class FailedAttempt(Protocol):
    """The attempt to repair: its source and digest (empty if the reply held no code), verdict and static findings."""

    @property
    def digest(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def findings(self) -> Sequence[Note]: ...


class PastAttempt(Protocol):
    """An earlier proposal of the run and what came of it.

    `digest` is empty if no code came out of the reply; `note` is the reason for keeping it or not, in a clause.
    """

    @property
    def digest(self) -> str: ...
    @property
    def change(self) -> str: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def kept(self) -> bool: ...
    @property
    def note(self) -> str: ...


class Measured(Protocol):
    """What is known about code: its verdict, and its profile if there is one."""

    @property
    def verdict(self) -> Verdict: ...
    @property
    def profile(self) -> Profile | None: ...


class OtherVersion(Protocol):
    """Another version of the module that is shown beside the current one; `why` says why, in a clause."""

    @property
    def source(self) -> str: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def why(self) -> str: ...


@dataclass(frozen=True)
class PromptContext:
    """Everything that one prompt may show.

    `source`, `verdict`, `profile` and `facts` (`prompts.facts.collect`) describe the current code; `failure` is set
    for a repair and only then, `analysis` once a model has said what is wrong with it. With `prefer_patch` the reply
    may edit the current code instead of repeating it. `before` is the code that the current one was made from, `board`
    what is right of all that the run has tried, its start included.

    `operator` says what an optimisation does with the current code: improve, explore (another way), or crossover (with
    the first of `inspirations`); other words count as improve.
    """

    task: Task
    gpu: Gpu
    stage: Stage
    api: TritonApi
    source: str = ""
    verdict: Verdict | None = None
    profile: Profile | None = None
    facts: Facts = field(default_factory=dict)
    before: Measured | None = None
    board: Sequence[PastAttempt] = ()
    history: Sequence[PastAttempt] = ()
    failure: FailedAttempt | None = None
    analysis: str = ""
    operator: str = "improve"
    inspirations: Sequence[OtherVersion] = ()
    prefer_patch: bool = False
