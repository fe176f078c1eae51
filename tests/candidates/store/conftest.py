"""A real store in a temporary folder, and verdicts to put into it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from candidates.store import Store
from evaluator.tasks import Task, Tolerance
from evaluator.verdict import Evidence, Status, Timing, Verdict


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    with Store.open("", root) as opened:
        yield opened


@pytest.fixture
def task() -> Task:
    return make_task("softmax")


def make_task(name: str) -> Task:
    reference = f"# {name}\nclass Model: ...\n"
    return Task(
        name=name, reference=reference, path=Path("softmax.py"), tolerance=Tolerance(rtol=1, atol=1, reference_factor=1)
    )


@pytest.fixture
def verdict() -> Callable[..., Verdict]:
    return make_verdict


def make_verdict(time_ms: float | None = None, status: Status = Status.VERIFIED, **more: Any) -> Verdict:
    """A verdict on the task softmax; measured on a device if a time is given."""
    time = None
    if time_ms is not None:
        time = Timing(median_ms=time_ms, low_ms=time_ms * 0.99, high_ms=time_ms * 1.01, samples_ms=(time_ms,) * 3)
    evidence = Evidence(checked_on="device" if time else "interpreter")
    values = {"task": "softmax", "device": "RTX 4090", "time": time, "evidence": evidence, **more}
    return Verdict(status=status, **values)
