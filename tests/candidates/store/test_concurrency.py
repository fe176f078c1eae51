"""What processes that share a store do to each other; on SQLite and on PostgreSQL."""

import signal
import time
from pathlib import Path

import pytest

from candidates.store import Store, database
from evaluator.errors import StoreError
from tests.candidates.store.processes import python

WRITER = """
import sys
from pathlib import Path
from candidates.store import Step, Store
with Store.open(sys.argv[2], Path(sys.argv[1])) as store:
    run = store.open_run(sys.argv[3], {})
    for number in range(int(sys.argv[4])):
        digest = store.put_candidate(f"x = {number}")
        store.put_baseline("t", sys.argv[3], {})
        store.add_step(run.id, Step(index=number, candidate=digest, decision="failed", note="n" * 500))
        print(number, flush=True)
"""


def test_processes_share_a_store_from_its_creation_on(root: Path, url: str) -> None:
    writers = [python(WRITER, root, url, key, 25) for key in ("one", "two", "three")]
    for writer in writers:
        _, err = writer.communicate(timeout=120)
        assert writer.returncode == 0, err
    with Store.open(url, root) as store:
        assert sorted(run.key for run in store.runs()) == ["one", "three", "two"]
        assert [len(store.steps(run.id)) for run in store.runs()] == [25, 25, 25]


RIVAL = """
import sys
from pathlib import Path
from candidates.store import Step, Store
from evaluator.errors import StoreError
with Store.open(sys.argv[2], Path(sys.argv[1])) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    run = store.open_run("key", {})
    won = 0
    for number in range(30):
        try:
            store.add_step(run.id, Step(index=number, decision="failed", proposer=sys.argv[3]))
            won += 1
        except StoreError as error:
            assert "same run" in error.remedy, error
        store.put_candidate(f"x = {number % 7}")
    print(won)
"""


def test_a_position_in_a_run_is_given_once(store: Store, root: Path, url: str) -> None:
    """Two processes that take the same run for theirs: one of them is told, at each step, and no step is lost."""
    rivals = [python(RIVAL, root, url, name, stdin=True) for name in ("one", "two")]
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline() == "ready\n"
    ended = []
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("go\n")
        rival.stdin.flush()
    for rival in rivals:
        out, err = rival.communicate(timeout=120)
        assert rival.returncode == 0, err
        ended.append(int(out))
    (run,) = store.runs()
    steps = store.steps(run.id)
    assert [step.index for step in steps] == list(range(30)), "each position once"
    assert sum(ended) == 30
    assert [sum(step.proposer == name for step in steps) for name in ("one", "two")] == ended


def test_a_killed_writer_leaves_a_readable_store(root: Path, url: str) -> None:
    writer = python(WRITER, root, url, "key", 100_000)
    assert writer.stdout is not None
    for _ in range(25):
        assert writer.stdout.readline()
    time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    told = 25 + len(writer.communicate(timeout=60)[0].split())
    with Store.open(url, root) as store:
        (run,) = store.runs()
        steps = store.steps(run.id)
        assert told <= len(steps) <= told + 1, "what was said to be saved is there"
        assert store.source(steps[-1].candidate) == f"x = {len(steps) - 1}"
        store.put_candidate("x = 'after'")


def test_a_waiting_writer_is_told_when_it_takes_too_long(
    store: Store, root: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with Store.open(url, root) as second:
        with store._database.write():
            with pytest.raises(StoreError, match="locked by another process"):
                second.put_candidate("x = 1")
            assert second.runs() == (), "readers don't wait"
        assert second.put_candidate("x = 1")


def test_a_waiting_writer_goes_on_when_the_other_is_done(store: Store, root: Path, url: str) -> None:
    rival = python(RIVAL, root, url, "one", stdin=True)
    assert rival.stdout is not None
    assert rival.stdout.readline() == "ready\n"
    with store._database.write() as connection:
        assert rival.stdin is not None
        rival.stdin.write("go\n")
        rival.stdin.flush()
        time.sleep(0.3)  # enough for it to come to the lock; if it were not, the test would see less, and not fail
        assert connection.exec_driver_sql("SELECT count(*) FROM run").scalar() == 0
    out, err = rival.communicate(timeout=120)
    assert (rival.returncode, out) == (0, "30\n"), err
