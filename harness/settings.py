"""Typed settings: what Hydra's configuration becomes. Everything past `harness.config` gets these values."""

from math import inf
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from evaluator.gpus import Gpu
from evaluator.request import EvaluatorSettings
from evaluator.tasks import Task
from harness.places import StoreSettings as StoreSettings
from prompts.stages import Stage


class Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LlmSettings(Group):
    """Which model writes, and how it is asked. Keys are never settings: only where to find one."""

    model: str = ""  # must be named by the person; there is no default model
    models: dict[str, float] = {}  # or several, each with its weight: how often it is asked (search.arms=weights)
    base_url: str = ""  # empty: OPENAI_BASE_URL, else the SDK's own default
    api_key_env: str = "OPENAI_API_KEY"
    api_key_file: Path | None = None
    api: Literal["chat", "responses"] = "chat"  # the interface: chat completions, which all servers speak
    stream: bool = True
    temperature: float | None = None  # None: the server's default
    max_tokens: int = Field(default=16_384, ge=1)
    continue_truncated: bool = True  # an answer that ends at max_tokens is gone on with, once
    timeout_s: float = Field(default=300.0, gt=0)  # for one attempt as a whole
    silence_s: float = Field(default=120.0, gt=0)  # between two pieces of a stream, once text has begun to come
    attempts: int = Field(default=5, ge=1)  # of one request, retries included
    concurrency: int = Field(default=4, ge=1)  # requests in flight at most; fewer while the server is busy
    cache: bool = False  # answer what was asked before from the store; all answers are kept there anyway
    usd_per_million_input: float | None = None  # overrides the price table, e.g. 0 for a local model
    usd_per_million_output: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The models that may be asked; the first one unless a plan names another."""
        return tuple(dict.fromkeys(name for name in (self.model, *self.models) if name))

    @field_validator("models")
    @classmethod
    def _weights(cls, models: dict[str, float], known: ValidationInfo) -> dict[str, float]:
        if not all(0 < weight < inf for weight in models.values()):
            raise PydanticCustomError("weights", "Every weight must be above 0")
        one = known.data.get("model")
        if models and one and one not in models:
            raise PydanticCustomError("weights", "llm.model names another model, which has no weight here")
        return models


class ProposerSettings(Group):
    """Who proposes. `auto` is llm if a key or a base URL is in the environment, else rules."""

    kind: Literal["auto", "llm", "rules", "recorded", "inductor"] = "auto"
    run: str = ""  # recorded: the run whose replies are used
    reason: str = ""  # why auto chose what it chose, for the first line of output


class SearchSettings(Group):
    """When to keep, when to stop, and from what the next candidate is made (harness/search)."""

    rounds: int = 8
    patience: int = 8  # rounds without a gain before a stage ends
    repairs: int = 1  # attempts to repair one failure
    min_gain: float = 0.02  # fraction of the incumbent's time
    strategy: str = "greedy"  # a row of harness.search.select.STRATEGIES
    width: int = Field(default=1, ge=1)  # beam: members that are expanded; best_of_n: samples of one parent
    islands: int = Field(default=1, ge=1)  # evolution: populations that breed apart
    migrate_every: int = Field(default=8, ge=1)  # evolution: new members between two migrations
    crossover: float = Field(default=0.0, ge=0, le=1)  # evolution: share of plans that join two elites
    explore: float = Field(default=0.0, ge=0, le=1)  # evolution: share of plans that ask for another way
    selection: Literal["rank", "softmax"] = "rank"  # evolution: how a parent is drawn from the elites
    temperature: float = Field(default=0.3, gt=0)  # of softmax, over fitness scaled to 0..1
    inspirations: int = Field(default=0, ge=0, le=3)  # other candidates shown in a prompt, at most
    arms: Literal["weights", "bandit"] = "weights"  # who chooses among several models
    seed: int = 0  # of every random choice


class PromptSettings(Group):
    """What a model is shown, and how it is asked to repair."""

    omit: tuple[str, ...] = ()  # parts to leave out (prompts.parts.OPTIONAL)
    analysis: bool = True  # of a failure, in a call of its own before the one that repairs it

    @field_validator("omit", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        names = [value] if isinstance(value, str) else value
        return sorted(set(names)) if isinstance(names, list | tuple) else names


class BudgetSettings(Group):
    """Upper bounds over a run. None: no bound."""

    usd: float | None = Field(default=1.0, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    calls: int | None = Field(default=None, ge=0)
    minutes: float | None = Field(default=None, ge=0)  # of wall time; what is in flight when they are over is finished
    evaluations: int | None = Field(default=None, ge=0)
    gpu_seconds: float | None = Field(default=None, ge=0)  # in which the evaluator is busy with a GPU


class Settings(Group):
    """One run, fully resolved."""

    task: Task
    gpu: Gpu  # the target: what code is compiled for, and what is measured where `device` is not empty
    device: str = ""  # UUID of the GPU to measure on; empty: nothing can be measured here
    stages: tuple[Stage, ...]
    repair: Stage  # the stage data for repair prompts
    draft: Stage | None = None  # the stage that makes a first candidate where the task brings none that works
    proposer: ProposerSettings
    llm: LlmSettings
    search: SearchSettings
    prompt: PromptSettings = PromptSettings()
    budget: BudgetSettings
    evaluator: EvaluatorSettings
    also: tuple[Gpu, ...] = ()  # what `evaluator.also` names
    store: StoreSettings
    fresh: bool = False
    origin: str = ""  # of a fork: the candidate that it starts from, in words
    note: str = ""  # what the person should know about the choice of the target
    key: str  # identity of the run: hash of the resolved configuration and of the sources it starts from
