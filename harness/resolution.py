"""From plain values to typed settings: words become tasks, GPUs, stages and a proposer. Knows no Hydra."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from evaluator.errors import UsageError
from harness.llm.address import redact_url
from harness.overrides import suggestion
from harness.places import CONF, StoreSettings, place_store
from harness.settings import LlmSettings, ProposerSettings, SearchSettings, Settings

if TYPE_CHECKING:
    from evaluator.gpus import Gpu
    from evaluator.tasks import Category, Task
    from prompts.stages import Stage

_SECTIONS = ("llm", "proposer", "search", "prompt", "budget", "evaluator", "store")
_PLAIN = ("task", "tolerance", "category", "start", "gpu", "stage", "fresh")
# What may change between two invocations that are the same run: bounds, places, where a key is found, how it is called.
_NOT_IDENTITY: dict[str, Any] = {
    "budget": True,
    "store": True,
    "fresh": True,
    "key": True,
    "note": True,
    "proposer": {"reason"},
    "llm": {"api_key_env", "api_key_file", "stream", "timeout_s", "silence_s", "attempts", "concurrency", "cache"},
    "task": {"path", "title"},
    "evaluator": {"pool", "also"},
    "also": True,
}

_Kind = TypeVar("_Kind")


def known_keys() -> list[str]:
    """All keys that can be set, in full: `search.rounds`, `evaluator.limits.total_s`."""
    found = list(_PLAIN)
    for section in _SECTIONS:
        kind = Settings.model_fields[section].annotation
        assert isinstance(kind, type)
        found += [f"{section}.{key}" for key in _fields(kind)]
    found.remove("proposer.reason")
    return found


def _fields(kind: type) -> list[str]:
    if is_dataclass(kind):
        return [each.name for each in fields(kind)]
    assert issubclass(kind, BaseModel)
    found = []
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += [f"{name}.{key}" for key in _fields(inner)]
        else:
            found.append(name)
    return found


def assemble(plain: Mapping[str, Any]) -> Settings:
    """Typed settings from plain values; see `resolve`."""
    from evaluator import catalog, devices
    from evaluator.request import EvaluatorSettings
    from harness.proposers.select import choose
    from harness.search import select
    from harness.settings import BudgetSettings, PromptSettings
    from prompts import parts
    from prompts.catalog import load_stages

    unknown = sorted(set(plain) - {*_SECTIONS, *_PLAIN})
    if unknown:
        raise UsageError(f"There is no setting '{unknown[0]}'.", suggestion(unknown[0], known_keys()))
    evaluator = _typed(EvaluatorSettings, plain, "evaluator")
    llm = _typed(LlmSettings, plain, "llm")
    prompt = _typed(PromptSettings, plain, "prompt")
    parts.known(prompt.omit)
    gpus = catalog.load_gpus(CONF)
    target = devices.choose(str(plain["gpu"]), gpus, devices.detect(), evaluator.device)
    stages = {name: _asking_what_exists(stage, target.gpu) for name, stage in load_stages(CONF).items()}
    task = catalog.load_task(
        str(plain["task"]),
        CONF,
        tolerance=plain["tolerance"],
        category=_category(plain["category"]),
        start=_path(plain),
    )
    store = _typed(StoreSettings, plain, "store")
    search = _typed(SearchSettings, plain, "search")
    proposer = choose(_typed(ProposerSettings, plain, "proposer"), llm)
    select.strategy(search)
    select.refuse_misfits(search, proposer.kind)
    settings = Settings(
        task=task,
        gpu=target.gpu,
        device=target.device.uuid if target.device else "",
        stages=select_stages(plain["stage"], stages, task.category),
        repair=stages["repair"],
        draft=stages.get("draft"),
        proposer=proposer,
        llm=llm,
        search=search,
        prompt=prompt,
        budget=_typed(BudgetSettings, plain, "budget"),
        evaluator=evaluator,
        also=_other_targets(evaluator.also, gpus, target.gpu),
        store=place_store(str(store.root), store.url),
        fresh=_flag(plain["fresh"]),
        note=target.note,
        key="",
    )
    return settings.model_copy(update={"key": run_key(settings)})


def _category(value: object) -> "Category | None":
    match value:
        case None | "single" | "fusion" | "network":
            return value
        case _:
            raise UsageError(
                f"There is no category '{value}'.", suggestion(str(value), ("single", "fusion", "network"))
            )


def _path(plain: Mapping[str, Any]) -> Path | None:
    return Path(str(plain["start"])).expanduser() if plain["start"] else None


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"fresh={value}: a yes or no was expected.", "Write fresh=true or fresh=false.")
    return value


def _typed(kind: type[_Kind], plain: Mapping[str, Any], section: str) -> _Kind:
    try:
        return TypeAdapter(kind).validate_python(plain[section])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([section, *(str(part) for part in first["loc"])])
        if first["type"] == "extra_forbidden":
            raise UsageError(f"There is no setting '{key}'.", suggestion(key, known_keys())) from error
        raise UsageError(
            f"{key}={first['input']}: {first['msg']}.", "harness run --help lists all settings."
        ) from error


def _other_targets(names: tuple[str, ...], gpus: "Sequence[Gpu]", target: "Gpu") -> "tuple[Gpu, ...]":
    """The GPUs of these names, but for the target itself: what there is to say about it is said anyway."""
    from evaluator.catalog import unknown

    known = {gpu.name: gpu for gpu in gpus}
    for name in names:
        if name not in known:
            raise unknown("GPU", name, known)
    return tuple(known[name] for name in dict.fromkeys(names) if name != target.name)


def _asking_what_exists(stage: "Stage", gpu: "Gpu") -> "Stage":
    """The stage without the metrics that the target's architecture does not have."""
    from prompts.metrics import existing

    return stage.model_copy(update={"metrics": existing(stage.metrics, gpu)})


def select_stages(value: object, stages: "Mapping[str, Stage]", category: "Category") -> "tuple[Stage, ...]":
    """The stages that `stage=` names, in that order: one name, or a list of names.

    `all` stands for those that optimise, in the catalog's order. A stage may be named more than once: it is then
    entered again, from the best code so far, when its turn comes.

    Raises:
        UsageError: an unknown stage, none, or one that has nothing to say about tasks of this category.
    """
    given = [str(name) for name in value] if isinstance(value, (list, tuple)) else [str(value)]
    every = [stage.name for stage in stages.values() if stage.template == "optimize"]
    names = [name for word in given for name in (every if word == "all" else [word])]
    if not names or not all(names):
        raise UsageError("No stage was named.", f"Name one: {', '.join(stages)}, or all.")
    for name in names:
        if name not in stages:
            raise UsageError(f"There is no stage '{name}'.", suggestion(name, [*stages, "all"]))
        stages[name].section(category)
    return tuple(stages[name] for name in names)


def run_key(settings: Settings) -> str:
    """Identity of a run (64 hex digits): what was asked for, and the sources that it starts from."""
    asked = settings.model_dump(mode="json", exclude=_NOT_IDENTITY)
    if settings.proposer.kind == "llm":
        # Not its password: a changed one is the same server.
        asked["server"] = redact_url(settings.llm.base_url or os.environ.get("OPENAI_BASE_URL", ""))
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def with_task(settings: Settings, task: "Task") -> Settings:
    """The same settings for another task."""
    changed = settings.model_copy(update={"task": task})
    return changed.model_copy(update={"key": run_key(changed)})
