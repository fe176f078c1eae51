"""A stage: one focus of optimisation as data (conf/stage/*.yaml). One source for the prompt and the rules proposer."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from evaluator.tasks import Category

Focus = Literal["single", "fusion"]


class Rule(BaseModel):
    """Advice under a condition.

    `when` is a comparison over named facts ("registers < 96 and spill_bytes == 0"), empty for advice that always
    holds. `prefer` gives the parameter values that a tuner should try first when the condition holds. `because` is
    the reason in one clause.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    when: str = ""
    prefer: dict[str, int] = {}
    advice: tuple[str, ...] = ()


class Section(BaseModel):
    """What a stage says and allows for one category of task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    focus: str
    parameters: dict[str, tuple[int, ...]] = {}
    rules: tuple[Rule, ...] = ()
    frozen: tuple[str, ...] = ()  # what must not be touched in this stage


class Autotune(BaseModel):
    """How much autotuning a candidate may bring, and the configuration that is always among it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_configs: int = 3
    baseline: dict[str, int] = {"num_warps": 4, "num_stages": 2}


class Stage(BaseModel):
    """One focus of optimisation. `network` tasks use the section of `fusion`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    order: int = 100  # position among stages when several are run or listed
    template: str = "optimize"  # prompts/templates/NAME.j2: optimize | draft | repair | analysis
    single: Section
    fusion: Section
    autotune: Autotune = Autotune()
    metrics: tuple[str, ...] = ()  # profiler metrics that the stage asks for
    skip_when: str = ""
    revert_below_percent: float = 2.0

    def section(self, category: Category) -> Section:
        """The section that applies to a task of this category."""
        return self.single if category == "single" else self.fusion


Facts = dict[str, Any]
"""Named facts that rules speak of: name -> number or word; None when it was not measured (conditions say unknown)."""
