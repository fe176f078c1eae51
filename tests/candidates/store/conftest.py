"""Real stores on SQLite and on PostgreSQL, and verdicts to put into them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from candidates.store import Store
from evaluator.tasks import Task, Tolerance
from evaluator.verdict import Evidence, Status, Timing, Verdict
from tests.candidates.store import postgres


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """A PostgreSQL server, started for the first test that asks for it."""
    found = postgres.binaries()
    if found is None:
        pytest.skip("PostgreSQL's binaries are not installed here (apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed here (pip install 'psycopg[binary]')")
    with postgres.running(found) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a new database, as settings give it: empty for SQLite in the store's own folder."""
    if request.param == "sqlite":
        return ""
    created: str = request.getfixturevalue("server").create_database()
    return created


@pytest.fixture
def store(root: Path, url: str) -> Iterator[Store]:
    with Store.open(url, root) as opened:
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
