"""Cheats are built for any task, and a verdict is read for what it means to each."""

import ast
from pathlib import Path

import pytest

from evaluator.catalog import load_task, load_tolerance, task_names
from evaluator.errors import OracleError, UsageError
from evaluator.redteam import Cheat, Outcome, attack, cheats
from evaluator.redteam.attack import judge
from evaluator.redteam.parts import NOT_HERE
from evaluator.tasks import Task
from evaluator.verdict import Evidence, Status, Timing, Verdict

CONF = Path(__file__).parents[3] / "conf"


def verdict(status: Status = Status.VERIFIED, reason: str = "", ms: float = 0.0, weights: str = "by name") -> Verdict:
    time = Timing(median_ms=ms, low_ms=ms, high_ms=ms, samples_ms=(ms,)) if ms else None
    return Verdict(status=status, reason=reason, task="t", device="d", time=time, evidence=Evidence(weights=weights))


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("name", task_names(CONF))
def test_every_cheat_is_a_module_with_a_model(name: str, started: bool) -> None:
    task = load_task(name, CONF)
    task = task if started else task.model_copy(update={"start": ""})
    built = cheats(task)
    assert len({cheat.name for cheat in built}) == len(built)
    assert len({cheat.source for cheat in built}) == len(built)
    for cheat in built:
        classes = [node.name for node in ast.parse(cheat.source).body if isinstance(node, ast.ClassDef)]
        assert classes.count("ModelNew") == 1
        assert classes[-1] == "ModelNew"


def test_half_precision_is_permitted_by_the_policies_that_permit_it() -> None:
    task = load_task("softmax", CONF)
    permitted = {
        name: next(cheat for cheat in cheats(task.model_copy(update={"tolerance": load_tolerance(name, CONF)})) if
                   cheat.name == "float16").permitted
        for name in ("strict", "standard", "approx")
    }  # fmt: skip
    assert not permitted["strict"]
    assert not permitted["standard"]
    assert "approx" in permitted["approx"]


@pytest.mark.parametrize(
    ("got", "result"),
    [
        (verdict(Status.WRONG_OUTPUT, "off"), "caught"),
        (verdict(Status.INTEGRITY_VIOLATION, "torch"), "caught"),
        (verdict(), "would pass"),
        (verdict(Status.RUNTIME_ERROR, f"RuntimeError: {NOT_HERE}: nothing is float32"), "does not apply"),
        (verdict(Status.UNCHECKED, "no small sizes"), "undecided"),
    ],
)
def test_a_verdict_is_read(got: Verdict, result: str) -> None:
    assert judge(Cheat("zeros", "answers zeros", ""), got, verdict()).result == result


def test_what_passes_without_gaining_anything_is_no_danger() -> None:
    late = Cheat("thread", "", "", shows="gpu", paid_in_time=True)
    assert judge(late, verdict(ms=1.0), verdict(ms=1.0)).result == "gains nothing"
    assert judge(late, verdict(ms=0.5), verdict(ms=1.0)).result == "would pass"


def test_weights_that_a_candidate_makes_itself_are_no_cheat() -> None:
    kept = Cheat("own weights", "", "")
    assert judge(kept, verdict(weights="by seed"), verdict()).result == "does not apply"
    assert judge(kept, verdict(weights="by name"), verdict()).result == "would pass"


def test_torch_may_do_the_work_where_the_task_says_so() -> None:
    task = load_task("softmax", CONF)
    lenient = task.model_copy(update={"torch_ops": ("any",)})
    copying = [next(cheat for cheat in cheats(each) if cheat.name == "copying kernel") for each in (task, lenient)]
    assert [judge(cheat, verdict(), verdict()).result for cheat in copying] == ["would pass", "permitted"]


def test_a_failing_machine_is_not_taken_for_a_check() -> None:
    with pytest.raises(OracleError):
        judge(Cheat("zeros", "", ""), verdict(Status.INFRA_ERROR, "died"), verdict())


def softmax() -> Task:
    return load_task("softmax", CONF)


def test_torch_is_free_but_for_those_who_are_to_be_caught_at_it() -> None:
    seen: dict[tuple[str, ...], int] = {}

    def evaluate(source: str, task: Task) -> Verdict:
        seen[task.torch_ops] = seen.get(task.torch_ops, 0) + 1
        return verdict()

    outcomes: list[Outcome] = list(attack(softmax(), evaluate, measured=False, progress=lambda doing: None))
    assert seen[()] == 4
    assert {outcome.result for outcome in outcomes} == {"would pass", "needs a GPU"}


def test_nothing_is_said_where_the_honest_candidate_fails() -> None:
    with pytest.raises(UsageError, match="not verified itself"):
        list(attack(softmax(), lambda *_: verdict(Status.WRONG_OUTPUT, "off"), False, lambda doing: None))
