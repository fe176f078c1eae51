"""The one path to a verdict: what is answered from the store, and two runs that come to the same candidate."""

from pathlib import Path

from candidates.store import Store
from evaluator.request import Request
from evaluator.verdict import Elsewhere, Status
from harness.evaluation import Judge
from tests.candidates.store.processes import python
from tests.harness import recording

JUDGE = """
import sys
from pathlib import Path
from candidates.store import Store
from harness.evaluation import Judge
from tests.harness import recording

def evaluating(request):
    print("evaluating", flush=True)
    sys.stdin.readline()

root, fresh = Path(sys.argv[1]), sys.argv[2] == "fresh"
table = {recording.digest(1): recording.verdict(ms=1.0)}
with Store.open("", root) as store:
    evaluator = recording.RecordedEvaluator(table, on_evaluate=evaluating)
    judge = Judge(recording.settings(root), store, evaluator, recording.API)
    judged = judge.judge(recording.source(1), fresh=fresh, progress=lambda doing: print(doing, flush=True))
    print("cached" if judged.cached else "evaluated", judged.verdict.status)
"""


def judge_of(store: Store, root: Path, evaluator: recording.RecordedEvaluator) -> Judge:
    """A judge with the settings of a run."""
    return Judge(recording.settings(root), store, evaluator, recording.API)  # type: ignore[arg-type]


def test_two_runs_evaluate_one_candidate_once(tmp_path: Path) -> None:
    first = python(JUDGE, tmp_path, "", stdin=True)
    assert first.stdout is not None
    assert "evaluating\n" in iter(first.stdout.readline, "")
    second = python(JUDGE, tmp_path, "", stdin=True)
    assert second.stdout is not None
    assert second.stdout.readline() == "waiting for another run's verdict on it\n"
    out, err = first.communicate("\n", timeout=60)
    assert out.splitlines()[-1] == "evaluated verified", err
    out, err = second.communicate("\n", timeout=60)
    assert out == "cached verified\n", err
    with Store.open("", tmp_path) as store:
        assert len(store.verdicts()) == 1


def test_a_fresh_verdict_is_reached_after_the_other(tmp_path: Path) -> None:
    def meanwhile(request: Request) -> None:
        second = python(JUDGE, tmp_path, "fresh", stdin=True)
        assert second.stdout is not None
        assert second.stdout.readline() == "waiting for another run's verdict on it\n"
        started.append(second)

    started: list[object] = []
    table = {recording.digest(1): recording.verdict(ms=1.0)}
    with Store.open("", tmp_path) as store:
        evaluator = recording.RecordedEvaluator(table, on_evaluate=meanwhile)
        judged = judge_of(store, tmp_path, evaluator).judge(recording.source(1))
        assert not judged.cached
        out, err = started[0].communicate("\n", timeout=60)  # type: ignore[attr-defined]
        assert out.splitlines()[-1] == "evaluated verified", err
        assert len(store.verdicts()) == 2


def test_what_fails_on_the_machine_is_tried_again_by_the_other(tmp_path: Path) -> None:
    def meanwhile(request: Request) -> None:
        second = python(JUDGE, tmp_path, "", stdin=True)
        assert second.stdout is not None
        assert second.stdout.readline() == "waiting for another run's verdict on it\n"
        started.append(second)

    started: list[object] = []
    table = {recording.digest(1): recording.failed(Status.INFRA_ERROR, "the oracle died")}
    with Store.open("", tmp_path) as store:
        evaluator = recording.RecordedEvaluator(table, on_evaluate=meanwhile)
        judge_of(store, tmp_path, evaluator).judge(recording.source(1))
        out, err = started[0].communicate("\n", timeout=60)  # type: ignore[attr-defined]
        assert out.splitlines()[-1] == "evaluated verified", err


def test_a_known_verdict_lacks_facts_that_are_asked_for_since(tmp_path: Path) -> None:
    known = recording.verdict()
    evidence = known.evidence.model_copy(update={"elsewhere": (Elsewhere(target="h100"),)})
    evaluator = recording.RecordedEvaluator({recording.digest(1): known})
    h100 = recording.RTX_4090.model_copy(update={"name": "h100"})
    with Store.open("", tmp_path) as store:
        judge_of(store, tmp_path, evaluator).judge(recording.source(1))
        asking = judge_of(store, tmp_path, evaluator)
        asking.settings = asking.settings.model_copy(update={"also": (h100,)})
        evaluator.table = {recording.digest(1): known.model_copy(update={"evidence": evidence})}

        assert not asking.judge(recording.source(1)).cached
        assert asking.judge(recording.source(1)).cached
        assert judge_of(store, tmp_path, evaluator).judge(recording.source(1)).cached
