"""What is put into the store comes out again, in the next process too, whatever database it is on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from candidates import identity
from candidates.store import Ask, Step, Store, Use
from candidates.store.revision import REVISION
from evaluator.errors import StoreError, UsageError
from evaluator.tasks import Task
from evaluator.verdict import Profile, Status, Timing, Verdict


def test_texts(store: Store, root: Path) -> None:
    text = 'prompt\r\n"quoted" \x1b[31m \ud800 数\n'
    name = store.put_text(text)
    assert store.put_text(text) == name
    assert store.text(name) == text
    assert (root / "blobs" / name[:2] / name).is_file()


def test_a_missing_or_damaged_text_is_said(store: Store, root: Path) -> None:
    name = store.put_text("whole")
    path = root / "blobs" / name[:2] / name
    path.write_text("part")
    with pytest.raises(StoreError, match="damaged"):
        store.text(name)
    path.unlink()
    with pytest.raises(StoreError, match="missing"):
        store.text(name)


def test_candidates_are_known_by_behaviour(store: Store) -> None:
    digest = store.put_candidate("x = 1\n")
    assert digest == identity.digest("x = 1\n")
    assert store.put_candidate("x = 1  # the same\n") == digest
    assert store.source(digest) == "x = 1\n", "verdicts are about the first source, so that one stays"
    with pytest.raises(UsageError):
        store.source("0" * 64)


def test_prefixes(store: Store) -> None:
    digests = [store.put_candidate(f"x = {number}") for number in range(40)]
    assert store.resolve(digests[0]) == digests[0]
    assert store.resolve(f" {digests[0][:12].upper()} ") == digests[0]
    for wrong in ("", "%", "_" * 64, "no such", digests[0] + "0", "ffffffffffff"):
        with pytest.raises(UsageError, match="No candidate"):
            store.resolve(wrong)
    shared = next(d[0] for d in digests if sum(other[0] == d[0] for other in digests) > 1)
    with pytest.raises(UsageError, match="Several candidates") as raised:
        store.resolve(shared)
    assert next(d for d in sorted(digests) if d[0] == shared)[:12] in raised.value.problem


def test_a_run_goes_on_under_its_key(root: Path, url: str) -> None:
    with Store.open(url, root) as store:
        first = store.open_run("key", {"gpu": "rtx4090", "path": Path("x")})
        assert (first.state, first.settings) == ("running", {"gpu": "rtx4090", "path": "x"})
        store.close_run(first.id, "interrupted", "Ctrl-C")
    with Store.open(url, root) as store:
        again = store.open_run("key", {})
        assert (again.id, again.state, again.reason) == (first.id, "interrupted", "Ctrl-C")
        fresh = store.open_run("key", {}, fresh=True)
        assert fresh.id != first.id
        assert store.open_run("key", {}).id == fresh.id
        assert store.open_run("other", {}).id not in (first.id, fresh.id)
        assert [run.id for run in store.runs()][:2] == [first.id, fresh.id]
        assert store.run(first.id[:6]).id == first.id
        with pytest.raises(UsageError, match="No run"):
            store.run("xyz")
        with pytest.raises(UsageError, match="No run"):
            store.run("")
        with pytest.raises(StoreError, match="no run"):
            store.close_run("00000000", "finished", "")


def test_asks_are_a_log_and_what_became_of_them_can_be_added(store: Store) -> None:
    run, other = store.open_run("key", {}), store.open_run("other", {})
    first = Ask(number=0, after=1, stage="finetune", parent="ab" * 32, reserved=Use(usd=0.2, tokens=100, calls=1))
    second = Ask(number=1, after=1, stage="finetune", kind="repair", mends=0, operator="repair")
    store.add_ask(run.id, first)
    store.add_ask(run.id, second)
    store.add_ask(other.id, first)
    with pytest.raises(StoreError, match="refuses"):
        store.add_ask(run.id, second)
    lost = first.model_copy(update={"lost": first.reserved, "open": False})
    store.change_ask(run.id, lost)
    assert store.asks(run.id) == (lost, second)
    assert store.asks(other.id) == (first,)


def test_steps_are_a_log(store: Store, verdict: Callable[..., Verdict]) -> None:
    run = store.open_run("key", {})
    digest = store.put_candidate("x = 1")
    start = Step(index=0, kind="start", candidate=digest, decision="start", verdict=verdict(1.5))
    lost = Step(index=1, stage="grid", round=1, decision="failed", usd=None, prompt=store.put_text("p"))
    store.add_step(run.id, start)
    store.add_step(run.id, lost)
    assert store.steps(run.id) == tuple(step.model_copy(update={"run": run.id}) for step in (start, lost))
    assert store.steps("00000000") == ()


def test_two_steps_with_one_index_are_refused(store: Store) -> None:
    run = store.open_run("key", {})
    store.add_step(run.id, Step(index=0, decision="failed", note="first"))
    with pytest.raises(StoreError, match="same run"):
        store.add_step(run.id, Step(index=0, decision="failed", note="second"))
    assert [step.note for step in store.steps(run.id)] == ["first"]


def test_steps_need_their_run_and_candidate(store: Store) -> None:
    run = store.open_run("key", {})
    with pytest.raises(StoreError):
        store.add_step("00000000", Step(index=0, decision="failed"))
    with pytest.raises(StoreError):
        store.add_step(run.id, Step(index=0, candidate="0" * 64, decision="failed"))
    assert store.steps(run.id) == ()


def test_lineage_reaches_back_to_the_start(store: Store) -> None:
    a, b, c, other = (store.put_candidate(f"x = {name!r}") for name in ("a", "b", "c", "other"))
    first, second = store.open_run("one", {}), store.open_run("two", {})
    store.add_step(first.id, Step(index=0, candidate=a, decision="start"))
    store.add_step(first.id, Step(index=1, candidate=b, parent=a, decision="kept"))
    store.add_step(first.id, Step(index=2, candidate=other, parent=a, decision="reverted"))
    store.add_step(second.id, Step(index=0, candidate=b, decision="start"))
    store.add_step(second.id, Step(index=1, candidate=c, parent=b, decision="kept"))
    store.add_step(second.id, Step(index=2, candidate=b, parent=c, decision="duplicate"))
    found = [(step.run, step.index) for step in store.lineage(c)]
    assert found == [(first.id, 0), (first.id, 1), (second.id, 0), (second.id, 1), (second.id, 2)]
    assert store.lineage("0" * 64) == ()


def test_the_lineage_of_a_crossover_goes_both_ways_and_past_what_only_inspired(store: Store) -> None:
    start, left, right, seen, child = (store.put_candidate(f"x = {n}") for n in range(5))
    run = store.open_run("one", {})
    store.add_step(run.id, Step(index=0, candidate=start, decision="start"))
    for index, bred in enumerate((left, right, seen), 1):
        store.add_step(run.id, Step(index=index, candidate=bred, parent=start, decision="kept"))
    crossed = {"operator": "crossover", "inspirations": (right, seen)}
    store.add_step(run.id, Step(index=4, candidate=child, parent=left, decision="kept", **crossed))
    assert [step.index for step in store.lineage(child)] == [0, 1, 2, 4]
    assert store.lineage(child)[-1].parents == (left, right)


def test_verdicts(store: Store, task: Task, verdict: Callable[..., Verdict]) -> None:
    digest = store.put_candidate("x = 1")
    assert store.verdict(digest, task.digest, "here") is None
    store.put_verdict(digest, task, "here", verdict(2.0))
    store.put_verdict(digest, task, "here", verdict(1.0))
    store.put_verdict(digest, task, "there", verdict(status=Status.UNCHECKED))
    assert store.verdict(digest, task.digest, "here") == verdict(1.0)
    assert store.verdict(digest, "0" * 16, "here") is None
    kept = store.verdicts(digest)
    assert [(one.fingerprint, one.verdict.status) for one in kept] == [
        ("here", "verified"),
        ("here", "verified"),
        ("there", "unchecked"),
    ]
    assert kept[0].created.tzinfo is not None
    assert store.task(task.digest) == task, "a verdict can be reached again without the file"
    with pytest.raises(UsageError):
        store.task("0" * 16)


def test_verdicts_need_their_candidate(store: Store, task: Task, verdict: Callable[..., Verdict]) -> None:
    with pytest.raises(StoreError):
        store.put_verdict("0" * 64, task, "here", verdict())
    assert store.verdicts() == ()


def test_baselines_are_completed(store: Store) -> None:
    eager = Timing(median_ms=2.0, low_ms=1.9, high_ms=2.1, samples_ms=(2.0,))
    compiled = Timing(median_ms=1.0, low_ms=0.9, high_ms=1.1, samples_ms=(1.0,))
    assert store.baseline("t", "here") == {}
    store.put_baseline("t", "here", {"eager": eager})
    store.put_baseline("t", "here", {"compile": compiled})
    assert store.baseline("t", "here") == {"eager": eager, "compile": compiled}
    assert store.baseline("t", "there") == {}


def test_profiles(store: Store, task: Task) -> None:
    digest = store.put_candidate("x = 1")
    assert store.profile(digest, task.digest, "here") is None
    for value in (1.0, 2.0):
        store.put_profile(digest, task.digest, "here", Profile(source="ncu", kernels={"k": {"m": value}}))
    found = store.profile(digest, task.digest, "here")
    assert found is not None
    assert found.kernels == {"k": {"m": 2.0}}


def test_text_that_a_database_may_not_hold(store: Store) -> None:
    """PostgreSQL knows no NUL; models write what they like."""
    run = store.open_run("key", {})
    digest = store.put_candidate("x = 1")
    step = Step(index=0, candidate=digest, change="a\x00b", note="c\x00d", decision="failed")
    store.add_step(run.id, step)
    assert store.steps(run.id) == (step.model_copy(update={"run": run.id}),)
    (found,) = store.provenances().values()
    assert found.change in ("a\x00b", "a\\x00b")


def test_a_store_says_what_it_is_made_of(store: Store, url: str) -> None:
    before = store.condition()
    store.put_text("x" * 50_000)
    store.add_step(store.open_run("key", {}).id, Step(index=0, decision="failed", note="n" * 500_000))
    after = store.condition()
    assert after.database == ("postgresql" if url else "sqlite")
    assert after.revision == REVISION
    assert after.text_bytes - before.text_bytes == 50_000
    assert before.size_bytes is not None
    assert after.size_bytes is not None
    assert after.size_bytes > before.size_bytes
