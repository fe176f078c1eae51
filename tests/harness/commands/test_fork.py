"""A fork: a run of its own that starts from a candidate of another one."""

import io
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from candidates.store import Store
from evaluator.errors import UsageError
from harness.commands import fork
from harness.run import execute
from harness.settings import SearchSettings, Settings
from tests.harness.recording import RecordedEvaluator, Ties, settings, verdict
from tests.harness.shell import harness


def go(given: Settings) -> tuple[str, list[str]]:
    """One invocation: what was said, and what was evaluated."""
    out = io.StringIO()
    recorded = RecordedEvaluator(Ties(verdict()))
    assert execute(given, Console(file=out, width=200), opener=lambda _: cast(Any, recorded)) == 0
    return out.getvalue(), recorded.asked


def test_a_fork_goes_on_from_any_candidate_and_the_lineage_shows_the_link(tmp_path: Path) -> None:
    go(settings(tmp_path, device=""))
    with Store.open("", tmp_path) as store:
        (original,) = store.runs()
        chosen = store.steps(original.id)[2].candidate
        origin, task, source = fork.origin_of(store, chosen), fork.task_of(store, chosen), store.source(chosen)
    assert origin == f"candidate {chosen[:12]} of run {original.id}"
    other = settings(tmp_path, device="", stages=("grid",), search=SearchSettings(rounds=2))
    given = fork.forked(other, task, source, origin)
    said, evaluated = go(given)
    assert f"fork of {origin}" in said
    assert chosen not in evaluated, "its verdict is in the store"
    with Store.open("", tmp_path) as store:
        run = store.open_run(given.key, {})
        first, *others = store.steps(run.id)
        assert (first.candidate, first.kind, first.decision, first.proposer) == (chosen, "start", "start", "fork")
        assert {step.run for step in store.lineage(others[0].candidate or chosen)} >= {original.id, run.id}
    again, evaluated = go(given)
    assert "is finished" in again
    assert evaluated == []
    assert fork.forked(other, task, source, origin).key == given.key != other.key


def test_what_was_never_judged_needs_a_task(tmp_path: Path) -> None:
    with Store.open("", tmp_path) as store:
        digest = store.put_candidate("x = 1\n")
        assert fork.origin_of(store, digest) == f"candidate {digest[:12]}"
        with pytest.raises(UsageError, match="never judged"):
            fork.task_of(store, digest)


@pytest.mark.parametrize(
    ("words", "said"), [(("zzz",), "No candidate begins with"), (("1", "start=x.py"), "starts from the candidate")]
)
def test_wrong_forks_are_refused(results: Path, words: tuple[str, ...], said: str) -> None:
    done = harness("fork", *words, folder=results)
    assert done.returncode == 2
    assert said in done.stderr
