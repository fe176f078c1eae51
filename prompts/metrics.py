"""Profiler metrics that are known here (conf/metrics.yaml): what each is called, its unit, and the fact it gives."""

from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from evaluator.errors import UsageError

CONF = Path(__file__).parents[1] / "conf"


class Metric(BaseModel):
    """One profiler metric. `fact` is the name that rules know it by, empty if it only feeds a derived fact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    unit: str
    fact: str = ""
    meaning: str


@lru_cache(maxsize=8)
def load_metrics(path: Path = CONF / "metrics.yaml") -> dict[str, Metric]:
    """The table by metric name.

    Raises:
        UsageError: the file can't be read, is not a list of metrics, or names a metric or a fact twice.
    """
    try:
        rows = TypeAdapter(tuple[Metric, ...]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise UsageError(
            f"{path} is not a table of metrics: {error}", "Each row has name, unit, fact, meaning."
        ) from error
    facts = [row.fact for row in rows if row.fact]
    if len({row.name for row in rows}) < len(rows) or len(set(facts)) < len(facts):
        raise UsageError(f"{path} names a metric or a fact twice", "Keep one row for each.")
    return {row.name: row for row in rows}
