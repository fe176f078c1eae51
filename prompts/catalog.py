"""Reads the stages (conf/stage/*.yaml) and checks that what they say can be evaluated."""

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from evaluator.catalog import unknown
from evaluator.errors import UsageError
from prompts import conditions
from prompts.facts import FACTS, KINDS
from prompts.metrics import CONF, Metric, load_metrics
from prompts.stages import LAUNCH_OPTIONS, Rule, Section, Stage


def load_stages(conf_dir: Path = CONF) -> dict[str, Stage]:
    """Every stage under `conf_dir`/stage by name, in the order in which stages are run.

    Raises:
        UsageError: a file can't be read or does not fit, a rule speaks of an unknown fact or does not parse, a stage
            asks for an unknown metric. File and rule are named.
    """
    folder = conf_dir / "stage"
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise UsageError(f"{folder} holds no stage", "Stages are YAML files, one for each.")
    require_known_facts(load_metrics())
    stages = [_load(file) for file in files]
    return {stage.name: stage for stage in sorted(stages, key=lambda stage: (stage.order, stage.name))}


def stage_names(conf_dir: Path = CONF) -> tuple[str, ...]:
    """The names of all stages, in the order in which they are run.

    Raises:
        UsageError: as for `load_stages`.
    """
    return tuple(load_stages(conf_dir))


def load_stage(name: str, conf_dir: Path = CONF) -> Stage:
    """The stage of this name.

    Raises:
        UsageError: there is none (the nearest name is suggested), or as for `load_stages`.
    """
    stages = load_stages(conf_dir)
    if name not in stages:
        raise unknown("stage", name, stages)
    return stages[name]


def require_known_facts(metrics: Mapping[str, Metric]) -> None:
    """Check that every fact that a metric gives is one that rules can speak of.

    Raises:
        UsageError: a metric gives another one.
    """
    for metric in metrics.values():
        if metric.fact and metric.fact not in FACTS:
            raise UsageError(
                f"the metric {metric.name} gives the unknown fact {metric.fact!r}",
                unknown("fact", metric.fact, FACTS).remedy,
            )


def _load(file: Path) -> Stage:
    try:
        stage = Stage.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"{file} can't be read: {error}", "Stages are YAML files; see those that come with it."
        ) from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'top'}: {each['msg']}" for each in error.errors())
        raise UsageError(f"{file} is not a stage: {problems}", "prompts/stages.py says what a stage holds.") from error
    if stage.name != file.stem:
        raise UsageError(f"{file} calls its stage {stage.name!r}", f"Name it {file.stem!r}, or rename the file.")
    _check(stage, file)
    return stage


def _check(stage: Stage, file: Path) -> None:
    metrics = load_metrics()
    for metric in stage.metrics:
        if metric not in metrics:
            raise UsageError(
                f"{file} asks for the unknown metric {metric!r}", unknown("metric", metric, metrics).remedy
            )
    _check_condition(stage.skip_when, f"{file}: skip_when")
    for category, section in stage.sections.items():
        for rule in section.rules:
            where = f"{file}: {category} rule {rule.name!r}"
            _check_condition(rule.when, where)
            _check_preference(rule, section, where)


def _check_condition(expression: str, where: str) -> None:
    try:
        strange = sorted(conditions.names(expression) - FACTS.keys())
        if strange:
            raise UsageError(
                f"{where} speaks of the unknown fact {strange[0]!r}", unknown("fact", strange[0], FACTS).remedy
            )
        conditions.check(expression, KINDS)
    except conditions.ConditionError as error:
        raise UsageError(f"{where}: {error.problem}", error.remedy) from error


def _check_preference(rule: Rule, section: Section, where: str) -> None:
    for word, named in (("prefers", rule.prefer), ("halves", rule.halve), ("leaves", rule.leave)):
        for parameter in named:
            if parameter not in section.parameters:
                raise UsageError(
                    f"{where} {word} the unknown parameter {parameter!r}",
                    unknown("parameter", parameter, section.parameters).remedy,
                )
    for parameter in {name for values in rule.together for name in values}:
        if parameter not in (known := [*section.parameters, *LAUNCH_OPTIONS]):
            raise UsageError(
                f"{where} sets the unknown parameter {parameter!r}", unknown("parameter", parameter, known).remedy
            )
    for parameter, value in rule.prefer.items():
        allowed = section.parameters[parameter]
        if value not in allowed:
            choices = ", ".join(map(str, allowed))
            raise UsageError(f"{where} prefers {parameter} = {value}", f"The section allows {choices}.")
