"""A store that the first version made is brought up to date, on SQLite and on PostgreSQL."""

from pathlib import Path

import pytest

from candidates import board
from candidates.store import Step, Store, revision
from evaluator.errors import StoreError
from evaluator.tasks import Task
from tests.candidates.store.processes import engine, execute

DUMPS = Path(__file__).parent / "dumps"
FINGERPRINT = "there"


@pytest.fixture
def old(root: Path, url: str) -> Path:
    """The folder of a store of revision 0001: a measured, an unmeasured and a failed candidate."""
    root.mkdir()
    database = "postgresql" if url else "sqlite"
    text = (DUMPS / f"revision_0001.{database}.sql").read_text()
    with engine(url, root).connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        if url:
            raw.execute(text)
            raw.commit()
        else:
            raw.executescript(text)
    return root


def test_a_store_of_the_first_version_is_migrated(old: Path, url: str) -> None:
    with Store.open(url, old) as store:
        rows = board.rows(store)
        assert [(row.device, row.time_ms, row.nominated, row.registers) for row in rows] == [
            ("NVIDIA GeForce RTX 4090", None, True, 64),
            ("NVIDIA H100 80GB HBM3", 2.0, False, 32),
        ]
        assert [row.reduced_isolation for row in rows] == [True, False]
        assert board.failures(store) == {"wrong_output": 1}
        (run,) = store.runs()
        assert [step.decision for step in store.steps(run.id)] == ["start", "nominated", "failed"]
        first = store.steps(run.id)[0]
        assert first.verdict == store.verdicts(first.candidate)[0].verdict
        (task,) = {found.task_digest for found in store.verdicts()}
        assert isinstance(store.task(task), Task)
        assert store.baseline(task, FINGERPRINT)["eager"].median_ms == 3.0
        store.add_step(run.id, Step(index=3, candidate=first.candidate, decision="duplicate"))
    with Store.open(url, old) as store:
        assert len(store.steps(run.id)) == 4
        assert board.rows(store) == rows


def test_what_can_not_be_read_does_not_stop_a_migration(old: Path, url: str) -> None:
    execute(url, old, "UPDATE verdict SET body = '{}' WHERE id = 1")
    with Store.open(url, old) as store:
        assert [bool(each.saved) for each in store.judgements()] == [False, True, False]


def test_a_migration_that_fails_leaves_everything_as_it_was(
    old: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(url, old, "CREATE TABLE lease (something INTEGER)")  # the last revision will find its place taken
    with pytest.raises(StoreError, match="lease"):
        Store.open(url, old)
    with engine(url, old).connect() as connection:
        version = connection.exec_driver_sql(f"SELECT version_num FROM {revision.VERSION_TABLE}").scalar()
        columns = connection.exec_driver_sql("SELECT * FROM verdict").keys()
    assert version == "0001"
    assert "summary" not in columns
