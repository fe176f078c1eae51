"""Leases on work: one process at a time, whatever becomes of it; on SQLite and on PostgreSQL."""

import signal
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy

from candidates.store import Store, Subject, leases, owner, schema
from evaluator.errors import OracleError
from tests.candidates.store.processes import engine, execute, python

SUBJECT = Subject("a" * 64, "b" * 16, "here")

HOLDER = """
import sys
from pathlib import Path
from candidates.store import Store, Subject
with Store.open(sys.argv[2], Path(sys.argv[1])) as store:
    with store.lease(Subject("a" * 64, "b" * 16, "here"), lambda: print("waiting", flush=True)) as waited:
        print("held after the other" if waited else "held", flush=True)
        sys.stdin.readline()
"""


def held(url: str, root: Path) -> list[str]:
    """When each lease expires."""
    with engine(url, root).connect() as connection:
        return list(connection.execute(sqlalchemy.select(schema.leases.c.expires)).scalars())


def test_a_second_process_waits_for_the_first(store: Store, root: Path, url: str) -> None:
    with store.lease(SUBJECT) as waited:
        assert not waited
        second = python(HOLDER, root, url, stdin=True)
        assert second.stdout is not None
        assert second.stdout.readline() == "waiting\n"
        with store.lease(Subject("c" * 64, "b" * 16, "here")) as other:
            assert not other, "other work goes on meanwhile"
    assert second.stdout.readline() == "held after the other\n"
    assert len(held(url, root)) == 1
    _, err = second.communicate("\n", timeout=60)
    assert second.returncode == 0, err
    assert held(url, root) == []


def test_work_that_fails_gives_its_lease_back(store: Store, root: Path, url: str) -> None:
    with pytest.raises(OracleError), store.lease(SUBJECT):
        raise OracleError("the work failed")
    assert held(url, root) == []


def test_the_lease_of_a_killed_process_is_taken_over_at_once(store: Store, root: Path, url: str) -> None:
    first = python(HOLDER, root, url, stdin=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    first.send_signal(signal.SIGKILL)
    with store.lease(SUBJECT):
        assert len(held(url, root)) == 1
    assert first.wait(timeout=60) == -signal.SIGKILL
    first.communicate()


def test_a_lease_of_another_machine_is_taken_over_when_it_expires(store: Store, root: Path, url: str) -> None:
    columns = "INSERT INTO lease (digest, task_digest, fingerprint, owner, expires) VALUES"
    subject = f"'{SUBJECT.digest}', '{SUBJECT.task_digest}', '{SUBJECT.fingerprint}'"
    execute(url, root, f"{columns} ({subject}, 'another-boot/1 1 1', '2999-01-01T00:00:00.000000+00:00')")
    expire = "UPDATE lease SET expires = '2001-01-01T00:00:00.000000+00:00'"
    told = []
    with store.lease(SUBJECT, waiting=lambda: (told.append(1), execute(url, root, expire))) as waited:
        assert waited
    assert told == [1], "nothing says that it is dead, so it was waited for"


def test_a_lease_is_renewed_while_the_work_lasts(
    store: Store, root: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.3)
    with store.lease(SUBJECT):
        (first,) = held(url, root)
        renewed = threading.Event()
        while held(url, root) == [first]:  # the test's own limit on time ends this if nothing is renewed
            renewed.wait(0.05)
        assert held(url, root)[0] > first


def test_whoever_lost_a_lease_does_not_give_it_back(store: Store, root: Path, url: str) -> None:
    with store.lease(SUBJECT):
        execute(url, root, "UPDATE lease SET owner = 'somebody else'")
    assert len(held(url, root)) == 1


def test_who_is_gone() -> None:
    place, pid, start = owner.this_process().split(" ")
    assert not owner.is_gone(owner.this_process())
    assert owner.is_gone(f"{place} {pid} {int(start) + 1}"), "the ID was given out again"
    assert owner.is_gone(f"{place} 4194305 {start}"), "beyond the largest ID there is"
    assert owner.is_gone(f"{place} {10**30} {start}")
    assert not owner.is_gone(f"elsewhere {pid} {start}1")
    assert not owner.is_gone("damaged")


def test_a_process_that_ended_and_nobody_asked_for_is_gone() -> None:
    ended = python("from candidates.store import owner; print(owner.this_process(), flush=True)")
    assert ended.stdout is not None
    name = ended.stdout.readline().strip()
    while not owner.is_gone(name):  # a zombie, until it is waited for; the test's own limit ends this
        time.sleep(0.01)
    ended.communicate()
    assert owner.is_gone(name)
