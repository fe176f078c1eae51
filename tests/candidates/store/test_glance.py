"""The quick look at a store sees what the whole store sees, and leaves what it can't read to the whole store."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from candidates import board
from candidates.store import Step, Store, glance
from candidates.store.summary import Summary
from evaluator.errors import StoreError
from evaluator.tasks import Task
from evaluator.verdict import Evidence, KernelFacts, Status, Verdict


@pytest.fixture
def url() -> str:
    """Always SQLite in the folder of the store: other databases have no quick way."""
    return ""


@pytest.fixture
def filled(store: Store, root: Path, task: Task, verdict: Callable[..., Verdict]) -> Path:
    """A store with a measured, an unmeasured and a failed candidate."""
    run = store.open_run("key", {})
    found = (verdict(1.5), verdict(kernels=(KernelFacts(name="k", registers=8),)), verdict(status=Status.TIMEOUT))
    for index, one in enumerate(found):
        digest = store.put_candidate(f"x = {index}")
        store.put_verdict(digest, task, "here", one)
        store.add_step(run.id, Step(index=index, candidate=digest, verdict=one, decision="kept", change="a change"))
    return root


def test_both_ways_show_one_board(filled: Path, store: Store) -> None:
    with glance.overview("", filled) as quick:
        assert not isinstance(quick, Store)
        assert board.rows(quick) == board.rows(store)
        assert board.failures(quick) == board.failures(store) == {"timeout": 1}
    assert [row.time_ms for row in board.rows(store)] == [1.5, None]


def test_it_waits_for_nobody_and_sees_what_is_written_meanwhile(filled: Path, store: Store) -> None:
    writer = sqlite3.connect(filled / "harness.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with glance.overview("", filled) as quick:
        assert len(board.rows(quick)) == 2
    writer.execute("ROLLBACK")
    writer.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE harness_version SET version_num = '9999'", "newer version"),
        ("DROP TABLE harness_version", "another program"),
    ],
)
def test_what_is_not_ours_is_said_as_ever(filled: Path, store: Store, statement: str, said: str) -> None:
    store.close()
    database = sqlite3.connect(filled / "harness.db")
    database.execute(statement)
    database.commit()
    database.close()
    with pytest.raises(StoreError, match=said), glance.overview("", filled):
        pass


def test_a_table_that_is_gone_is_said(filled: Path, store: Store) -> None:
    store.close()
    database = sqlite3.connect(filled / "harness.db")
    database.execute("DROP TABLE step")
    database.commit()
    database.close()
    with glance.overview("", filled) as quick, pytest.raises(StoreError, match="no such table"):
        board.rows(quick)


def test_a_folder_name_with_marks_of_a_url(filled: Path, store: Store) -> None:
    store.close()
    odd = filled.with_name("50% #1?mode=x")
    filled.rename(odd)
    with glance.overview("", odd) as quick:
        assert not isinstance(quick, Store)
        assert len(board.rows(quick)) == 2


def test_a_damaged_summary_is_said(filled: Path, store: Store) -> None:
    database = sqlite3.connect(filled / "harness.db")
    database.execute("UPDATE verdict SET summary = '' WHERE status = 'verified'")
    database.commit()
    database.close()
    with pytest.raises(StoreError, match="can't be read"):
        board.rows(store)


def test_a_summary_survives_writing_and_a_newer_version(verdict: Callable[..., Verdict]) -> None:
    kernel = KernelFacts(name="k", registers=40, spill_bytes=8, fits=True, occupancy=0.5, num_warps=4)
    evidence = Evidence(checked_on="device", isolation=("reduced-isolation",), own_share=0.5, ablated=True)
    summary = Summary.of(verdict(2.0, kernels=(kernel,), evidence=evidence))
    assert Summary.read(summary.write()) == summary
    assert summary.reduced_isolation
    assert (summary.kernel, summary.registers, summary.own_share) == ("k", 40, 0.5)
    assert Summary.read('{"later": 1, "time_ms": 3.0}') == Summary(time_ms=3.0)
