"""A stage: one focus of optimisation as data (conf/stage/*.yaml). One source for the prompt and the rules proposer."""

from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, model_validator

from evaluator.errors import UsageError
from evaluator.tasks import Category

LAUNCH_OPTIONS = ("num_warps", "num_stages")
CATEGORIES: tuple[Category, ...] = get_args(Category)


class Rule(BaseModel):
    """Advice under a condition, and what it means to a tuner of parameters while the condition is known to hold.

    `when` is a comparison over named facts ("registers < 96 and spill_bytes == 0"), empty for advice that always
    holds. `prefer` gives the values to try first, `together` whole sets of values that are only good as such (also of
    launch options, and beyond what the stage tries otherwise), `halve` the parameters to try at half their present
    value, `leave` those that are not to be touched.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    when: str = ""
    prefer: dict[str, int] = {}
    together: tuple[dict[str, int], ...] = ()
    halve: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
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
    """One focus of optimisation.

    Each category of task has a section of its own, or names the category whose section it shares, or has none: then
    the stage can't be run on such a task.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    order: int = 100  # position among stages when several are run or listed
    template: Literal["optimize", "draft", "repair", "analysis"] = "optimize"  # prompts/templates/NAME.j2
    single: Section | Category | None = None
    fusion: Section | Category | None = None
    network: Section | Category | None = None
    autotune: Autotune = Autotune()
    metrics: tuple[str, ...] = ()  # profiler metrics that the stage asks for
    skip_when: str = ""
    revert_below_percent: float = 2.0

    @model_validator(mode="after")
    def _shared_sections_exist(self) -> Self:
        for category in CATEGORIES:
            shared = getattr(self, category)
            if isinstance(shared, str) and not isinstance(getattr(self, shared), Section):
                raise ValueError(f"{category} shares the section of {shared}, which has none of its own")
        if not self.sections:
            raise ValueError(f"it has a section for none of {', '.join(CATEGORIES)}")
        return self

    @property
    def sections(self) -> dict[Category, Section]:
        """The sections of its own, by category."""
        own = {category: getattr(self, category) for category in CATEGORIES}
        return {category: section for category, section in own.items() if isinstance(section, Section)}

    def section(self, category: Category) -> Section:
        """The section that applies to a task of this category.

        Raises:
            UsageError: there is none.
        """
        own: Section | Category | None = getattr(self, category)
        section = self.sections.get(own) if isinstance(own, str) else own
        if section is None:
            raise UsageError(
                f"Stage {self.name} has nothing to say about a {category} task.",
                f"It knows {', '.join(self.sections)}; leave the stage out, or write a section {category!r} for it.",
            )
        return section


Facts = dict[str, Any]
"""Named facts that rules speak of: name -> number or word; None when it was not measured (conditions say unknown)."""
