"""What this machine can tell apart: measured once by `harness calibrate`, used by every later comparison.

`calibration.json` in the store's folder holds, for each fingerprint (device and software) and task, the standard
deviation between fresh pairs of workers that run the same code. It widens the bounds of later comparisons, so that a
gain which this machine can't see is not called one; `min_gain` stays what the person asked for.
"""

import math
from pathlib import Path
from statistics import NormalDist, mean, median

from pydantic import BaseModel, ConfigDict, TypeAdapter

from evaluator.request import EvaluatorSettings
from evaluator.service import Evaluator
from evaluator.verdict import Gain
from harness import kept
from harness.settings import Settings

POWER = 0.95


class Calibration(BaseModel):
    """Comparisons of one task's start with itself, each by a fresh worker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    device: str
    comparisons: int
    forward_ms: float
    between_pairs: float  # standard deviation of the log ratio between pairs of workers
    smallest_gain: float  # fraction; seen in POWER of all cases


_Entries = TypeAdapter(dict[str, dict[str, Calibration]])  # fingerprint -> digest of the task


def summarise(task: str, device: str, gains: list[Gain]) -> Calibration:
    """What comparisons of a kernel with itself say about the smallest gain that can be seen."""
    # The true ratio is one, so the centre needs no estimate.
    between = math.sqrt(mean(math.log1p(-gain.estimate) ** 2 for gain in gains))
    margin = median(gain.estimate - gain.low for gain in gains)
    return Calibration(
        task=task,
        device=device,
        comparisons=len(gains),
        forward_ms=median(gain.incumbent_ms for gain in gains),
        between_pairs=between,
        smallest_gain=margin + NormalDist().inv_cdf(POWER) * between,
    )


def keep(root: Path, fingerprint: str, task_digest: str, found: Calibration) -> Path:
    """Write a calibration beside those that are there; the file's path."""
    entries = _read(root)
    entries.setdefault(fingerprint, {})[task_digest] = found
    kept.write(_path(root), _Entries, entries)
    return _path(root)


def apply(settings: EvaluatorSettings, root: Path, fingerprint: str) -> EvaluatorSettings:
    """The settings with what was found on this machine, unless they say something themselves."""
    entries = _read(root).get(fingerprint, {})
    if settings.timer.placement or not entries:
        return settings
    table = tuple(sorted((entry.forward_ms, entry.between_pairs) for entry in entries.values()))
    return settings.model_copy(update={"timer": settings.timer.model_copy(update={"placement": table})})


def open_evaluator(settings: Settings) -> Evaluator:
    """The evaluator for the target of these settings, on their device, with what is known about this machine."""
    plain = Evaluator(settings.evaluator, device=settings.device, target=settings.gpu)
    known = apply(settings.evaluator, settings.store.root, plain.describe()["fingerprint"]) if settings.device else None
    if known is None or known == settings.evaluator:
        return plain
    return Evaluator(known, device=settings.device, target=settings.gpu)


def _path(root: Path) -> Path:
    return root / "calibration.json"


def _read(root: Path) -> dict[str, dict[str, Calibration]]:
    return kept.read(_path(root), _Entries, {})
