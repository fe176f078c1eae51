"""Stores in a folder: files that can't be used, disks that are full, folders that are moved, copied, read-only."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from candidates.store import Step, Store
from evaluator.errors import StoreError, UsageError
from tests.candidates.store.processes import engine, python


@pytest.fixture
def url() -> str:
    """Always SQLite in the folder of the store."""
    return ""


def test_readers_and_writers_do_not_wait_for_each_other(store: Store, root: Path) -> None:
    with engine("", root).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


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
    may_be_reached(root)
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


def test_the_store_can_be_moved(store: Store, root: Path, tmp_path: Path) -> None:
    digest = store.put_candidate("x = 1")
    store.close()
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    with Store.open("", moved) as opened:
        assert opened.source(opened.resolve(digest[:12])) == "x = 1"


def test_a_copy_is_a_store_of_its_own(store: Store, root: Path, tmp_path: Path) -> None:
    digest = store.put_candidate("x = 1")
    shutil.copytree(root, tmp_path / "copy")  # while it is open: the log beside the database is copied too
    with Store.open("", tmp_path / "copy") as copy:
        assert copy.source(digest) == "x = 1"
        other = copy.put_candidate("x = 2")
    with pytest.raises(UsageError):
        store.source(other)


def test_any_database_url_will_do(root: Path, tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'other.db'}", root) as store:
        store.put_candidate("x = 1")
    assert (tmp_path / "other.db").is_file()
    assert not (root / "harness.db").exists()


READER = """
import os, sys
from pathlib import Path
from candidates import board
from candidates.store import Step, Store, glance
from evaluator.errors import StoreError
import candidates.store.store, alembic.command
os.setgroups([]); os.setgid(65534); os.setuid(65534)
root = Path(sys.argv[1])
try:
    with glance.overview("", root) as overview:
        print(len(overview.provenances()))
    with Store.open("", root) as store:
        print(store.source(sys.argv[2]), len(store.runs()))
        store.open_run("another", {})
except StoreError as error:
    print(error.problem, "|", error.remedy)
"""


def may_be_reached(root: Path) -> None:
    """Let other users into the folders that pytest made: one more where tests run beside each other."""
    made_by_pytest = [folder for folder in root.parents if folder.parent.is_relative_to(tempfile.gettempdir())]
    for folder in made_by_pytest:
        folder.chmod(0o755)


def may_be_read(root: Path) -> None:
    """Let other users read the store, and no more."""
    may_be_reached(root)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user who may not write")
def test_a_folder_that_is_read_only_can_be_read(store: Store, root: Path) -> None:
    digest = store.put_candidate("x = 1")
    run = store.open_run("key", {})
    store.add_step(run.id, Step(index=0, candidate=digest, decision="start"))
    store.close()
    may_be_read(root)
    before = sorted(root.rglob("*"))
    out, err = python(READER, root, digest).communicate(timeout=60)
    assert out.splitlines()[:2] == ["1", "x = 1 1"], err
    assert re.search(r"can't be written to.*\| Make it readable and writable", out), err
    assert sorted(root.rglob("*")) == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user who may not write")
def test_what_is_still_in_the_log_is_not_passed_over(store: Store, root: Path) -> None:
    digest = store.put_candidate("x = 1")
    may_be_read(root)
    out, err = python(READER, root, digest).communicate(timeout=60)
    assert re.search(r"what was saved last is still in harness.db-wal.*\| Copy the whole folder", out), err
