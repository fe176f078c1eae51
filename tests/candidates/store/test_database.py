"""Whose database it is, what happens when it can't be used, and what two processes do to each other."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from candidates.store import Step, Store, revision, schema
from evaluator.errors import StoreError

PROJECT = Path(__file__).parents[3]


def python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A Python process that runs `code` in the project's root."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_migrations_make_the_tables_that_the_code_expects(store: Store, root: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{root / 'harness.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": revision.VERSION_TABLE})
        assert compare_metadata(context, schema.metadata) == []
        assert context.get_current_revision() == revision.REVISION
        assert connection.execute(sqlalchemy.text("PRAGMA journal_mode")).scalar() == "wal"
    engine.dispose()


def test_opening_a_current_store_does_not_import_alembic(store: Store, root: Path) -> None:
    code = "import sys; from pathlib import Path; from candidates.store import Store\n"
    code += "Store.open('', Path(sys.argv[1])).runs(); print('alembic' in sys.modules, 'torch' in sys.modules)"
    out, err = python(code, root).communicate(timeout=60)
    assert out.split() == ["False", "False"], err


def test_a_database_of_another_program_is_left_alone(root: Path) -> None:
    root.mkdir()
    other = sqlite3.connect(root / "harness.db")
    other.execute("CREATE TABLE invoices (id INTEGER)")
    other.commit()
    other.close()
    before = (root / "harness.db").read_bytes()
    with pytest.raises(StoreError, match="another program: it holds the table invoices") as raised:
        Store.open("", root)
    assert "store.root" in raised.value.remedy
    assert (root / "harness.db").read_bytes() == before
    assert sorted(path.name for path in root.iterdir()) == ["harness.db"]


def test_a_file_that_is_no_database_is_left_alone(root: Path) -> None:
    root.mkdir()
    (root / "harness.db").write_text("notes\n" * 500)
    with pytest.raises(StoreError, match="is not a database"):
        Store.open("", root)
    assert (root / "harness.db").read_text() == "notes\n" * 500


def test_an_empty_file_becomes_a_store(root: Path) -> None:
    root.mkdir()
    (root / "harness.db").touch()
    with Store.open("", root) as store:
        assert store.runs() == ()


def test_a_newer_version_is_left_alone(store: Store, root: Path) -> None:
    store.close()
    database = sqlite3.connect(root / "harness.db")
    database.execute(f"UPDATE {revision.VERSION_TABLE} SET version_num = '9999'")
    database.commit()
    database.close()
    with pytest.raises(StoreError, match="newer version") as raised:
        Store.open("", root)
    assert "Update" in raised.value.remedy


def test_a_damaged_database_is_said(store: Store, root: Path) -> None:
    store.put_candidate("x = 1")
    store.close()
    path = root / "harness.db"
    content = bytearray(path.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged|not a database") as raised:
        Store.open("", root)
    assert raised.value.remedy


def test_a_folder_in_place_of_the_database(root: Path) -> None:
    (root / "harness.db").mkdir(parents=True)
    with pytest.raises(StoreError, match="can't be opened"):
        Store.open("", root)


def test_a_file_in_place_of_the_folder(root: Path) -> None:
    root.write_text("")
    with pytest.raises(StoreError, match="can't be used"):
        Store.open("", root)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "not a database URL"),
        ("nodatabase://host/name", "not a database URL|not installed"),
        ("sqlite:////nowhere/at/all/x.db", "can't be opened"),
    ],
)
def test_a_url_that_can_not_be_used(root: Path, url: str, told: str) -> None:
    with pytest.raises(StoreError, match=told) as raised:
        Store.open(url, root)
    assert raised.value.remedy


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from candidates.store import Store
from evaluator.errors import StoreError
import candidates.store.migrate
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    with Store.open("", Path(sys.argv[1])) as store:
        store.put_candidate("x = 2")
except StoreError as error:
    print(error.problem, "|", error.remedy)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user who may not write")
@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_folder_that_may_not_be_written_to(store: Store, root: Path, mode: int) -> None:
    store.put_candidate("x = 1")
    store.close()
    for folder in [root, *root.parents[:3]]:
        folder.chmod(0o755)
    root.chmod(mode)
    out, err = python(UNPRIVILEGED, root).communicate(timeout=60)
    root.chmod(0o755)
    assert re.search(r"can't be (opened|written to|used).*\| Make it readable and writable", out), err


FULL = """
import resource, sys
from pathlib import Path
from candidates.store import Store, Step
from evaluator.errors import StoreError
with Store.open("", Path(sys.argv[1])) as store:
    run = store.open_run("key", {})
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    saved = 0
    try:
        for saved in range(10000):
            if sys.argv[3] == "database":
                store.add_step(run.id, Step(index=saved, decision="failed", note="n" * 2000))
            else:
                store.put_text(str(saved) * 10 ** (saved + 1))
    except StoreError as error:
        print(saved, error.problem, "|", error.remedy)
"""


@pytest.mark.parametrize("what", ["database", "text"])
def test_a_full_disk_loses_nothing(root: Path, what: str) -> None:
    """The limit on the size of a file stands for the end of the disk: writes fail in the same place."""
    out, err = python(FULL, root, 300_000, what).communicate(timeout=120)
    saved = int(out.split()[0]) if out else 0
    assert saved > 3, err
    assert "no space left" in out
    assert "Free some space" in out
    with Store.open("", root) as store:
        (run,) = store.runs()
        assert len(store.steps(run.id)) == (saved if what == "database" else 0)
        store.add_step(run.id, Step(index=9999, decision="failed"))
    assert not list(root.rglob(".new-*"))


WRITER = """
import sys
from pathlib import Path
from candidates.store import Step, Store
with Store.open("", Path(sys.argv[1])) as store:
    run = store.open_run(sys.argv[2], {})
    for number in range(int(sys.argv[3])):
        digest = store.put_candidate(f"x = {number}")
        store.put_baseline("t", sys.argv[2], {})
        store.add_step(run.id, Step(index=number, candidate=digest, decision="failed", note="n" * 500))
        print(number, flush=True)
"""


def test_two_processes_share_a_store_from_its_creation_on(root: Path) -> None:
    writers = [python(WRITER, root, key, 40) for key in ("one", "two", "three")]
    for writer in writers:
        _, err = writer.communicate(timeout=120)
        assert writer.returncode == 0, err
    with Store.open("", root) as store:
        assert sorted(run.key for run in store.runs()) == ["one", "three", "two"]
        assert [len(store.steps(run.id)) for run in store.runs()] == [40, 40, 40]


def test_a_killed_writer_leaves_a_readable_store(root: Path) -> None:
    writer = python(WRITER, root, "key", 100_000)
    assert writer.stdout is not None
    for _ in range(25):
        assert writer.stdout.readline()
    time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    told = 25 + len(writer.communicate(timeout=60)[0].split())
    with Store.open("", root) as store:
        (run,) = store.runs()
        steps = store.steps(run.id)
        assert told <= len(steps) <= told + 1, "what was said to be saved is there"
        assert store.source(steps[-1].candidate) == f"x = {len(steps) - 1}"
        store.add_step(run.id, Step(index=len(steps), decision="failed"))


def test_a_waiting_writer_is_told_when_it_takes_too_long(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candidates.store.database.BUSY_SECONDS", 0.05)
    other = sqlite3.connect(root / "harness.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Store.open("", root) as second:
        with pytest.raises(StoreError, match="locked by another process"):
            second.put_candidate("x = 1")
        other.execute("ROLLBACK")
        assert second.put_candidate("x = 1")
    other.close()
