"""Profiler metrics that are known here (conf/metrics.yaml): what each is called, its unit, and the fact it gives."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from evaluator.errors import UsageError
from evaluator.gpus import Gpu

CONF = Path(__file__).parents[1] / "conf"
_CAPABILITY = r"\d+\.\d"


class Metric(BaseModel):
    """One profiler metric. `fact` is the name that rules know it by, empty if it only feeds a derived fact.

    `since` and `until` are the first and the last compute capability that have it; `until` is empty as long as there is
    no last one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    unit: str
    fact: str = ""
    meaning: str
    since: str = Field("7.0", pattern=_CAPABILITY)
    until: str = Field("", pattern=rf"({_CAPABILITY})?")

    def exists_on(self, gpu: Gpu) -> bool:
        """True if GPUs of this compute capability count it."""
        capability = _order(gpu.compute_capability)
        return _order(self.since) <= capability and (not self.until or capability <= _order(self.until))


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


def existing(names: Iterable[str], gpu: Gpu, path: Path = CONF / "metrics.yaml") -> tuple[str, ...]:
    """Those of the known metrics that the GPU's architecture has, in their order.

    Raises:
        UsageError: as for `load_metrics`.
    """
    table = load_metrics(path)
    return tuple(name for name in names if table[name].exists_on(gpu))


def _order(capability: str) -> tuple[int, ...]:
    return tuple(int(part) for part in capability.split("."))
