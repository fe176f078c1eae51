"""The fold from steps to state."""

from typing import Any

from candidates.store import Step
from evaluator.verdict import Status
from harness.state import State
from tests.harness.recording import failed, verdict


def step(index: int, kind: str, decision: str, candidate: str = "", **more: Any) -> Step:
    """One step of a log; verified unless its decision says otherwise."""
    given: dict[str, Any] = {
        "index": index,
        "stage": "start" if kind == "start" else "finetune",
        "round": 0 if kind == "start" else 1,
        "kind": kind,
        "candidate": candidate,
        "parent": "",
        "proposer": "llm",
        "change": "",
        "model": "",
        "prompt": "",
        "reply": "",
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "usd": 0.0,
        "seconds": 0.0,
        "calls": 0,
        "verdict": failed(Status.WRONG_OUTPUT, "wrong") if decision == "failed" else verdict(),
        "decision": decision,
        "note": "",
    }
    if decision == "duplicate":
        given["verdict"] = None
    return Step(**{**given, **more})


START = step(0, "start", "start", "s")


def test_the_current_code_is_the_last_that_made_progress() -> None:
    log = [
        START,
        step(1, "proposal", "kept", "a"),
        step(2, "proposal", "reverted", "b", round=2),
        step(3, "proposal", "failed", "c", round=3),
        step(4, "proposal", "duplicate", "b", round=4),
    ]
    state = State.from_steps(log)
    assert state.current == "a"
    assert state.seen == {"s", "a", "b", "c"}
    assert (state.round, state.idle) == (4, 3)
    assert state.verified == 3


def test_a_failed_start_leaves_nothing_to_go_on_from() -> None:
    assert State.from_steps([step(0, "start", "failed", "s")]).current == ""


def test_a_fold_in_two_parts_is_the_fold_of_the_whole() -> None:
    log = [
        START,
        step(1, "proposal", "failed", "a"),
        step(2, "repair", "nominated", "b"),
        step(3, "proposal", "kept", "c"),
    ]
    for cut in range(len(log) + 1):
        state = State.from_steps(log[:cut])
        for following in log[cut:]:
            state = state.after(following)
        assert state == State.from_steps(log)


def test_a_failure_is_repaired_as_often_as_asked_and_no_more() -> None:
    broken = step(1, "proposal", "failed", "a")
    again = step(2, "repair", "failed", "b")
    assert State.from_steps([START]).broken(1) is None
    assert State.from_steps([START, broken]).broken(0) is None
    assert State.from_steps([START, broken]).broken(1) == broken
    assert State.from_steps([START, broken, again]).broken(1) is None
    assert State.from_steps([START, broken, again]).broken(2) == again


def test_a_repair_belongs_to_its_round_and_the_next_round_has_its_own() -> None:
    log = [START, step(1, "proposal", "failed", "a"), step(2, "repair", "failed", "b")]
    following = step(3, "proposal", "failed", "c", round=2)
    assert State.from_steps(log).round == 1
    assert State.from_steps([*log, following]).broken(1) == following


def test_what_the_machine_failed_on_may_be_tried_again() -> None:
    infra = step(1, "proposal", "failed", "a", verdict=failed(Status.INFRA_ERROR, "the oracle died"))
    state = State.from_steps([START, infra])
    assert "a" not in state.seen
    assert state.broken(1) is None


def test_a_new_stage_begins_with_fresh_patience() -> None:
    log = [
        START,
        step(1, "proposal", "reverted", "a"),
        step(2, "proposal", "reverted", "b", round=2),
        step(3, "proposal", "reverted", "c", stage="memory"),
    ]
    state = State.from_steps(log)
    assert (state.stages, state.round, state.idle) == (("finetune", "memory"), 1, 1)


def test_a_stage_named_twice_is_two_stages() -> None:
    twice = ["finetune", "memory", "finetune"]
    log = [START, step(1, "proposal", "kept", "a"), step(2, "proposal", "kept", "b", stage="memory")]
    assert State.from_steps(log).position(twice) == 1
    log.append(step(3, "proposal", "kept", "c"))
    assert State.from_steps(log).position(twice) == 2
    assert State.from_steps([START]).position(twice) == -1


def test_the_same_stage_twice_in_a_row_is_told_by_its_rounds() -> None:
    log = [START, step(1, "proposal", "failed", "a"), step(2, "repair", "failed", "b")]
    assert State.from_steps(log).position(["finetune", "finetune"]) == 0
    log.append(step(3, "proposal", "kept", "c"))
    assert State.from_steps(log).position(["finetune", "finetune"]) == 1


def test_spending_is_the_sum_over_the_steps_and_refusals_are_no_evaluations() -> None:
    log = [
        START,
        step(1, "proposal", "kept", "a", usd=0.25, prompt_tokens=100, completion_tokens=20, calls=2, seconds=30.0),
        step(2, "proposal", "failed", "b", verdict=failed(Status.RULE_VIOLATION, "no"), usd=0.5, calls=1, seconds=30.0),
        step(3, "proposal", "failed", "", verdict=failed(Status.EXTRACT_ERROR, "no code")),
        step(4, "proposal", "duplicate", "a"),
    ]
    spent = State.from_steps(log).spent
    assert (spent.usd, spent.tokens, spent.calls, spent.minutes, spent.evaluations) == (0.75, 120, 3, 1.0, 2)


def test_an_unknown_price_stays_unknown() -> None:
    assert State.from_steps([START, step(1, "proposal", "kept", "a", usd=None)]).spent.usd is None


def test_history_tells_a_duplicate_with_the_verdict_of_its_original() -> None:
    log = [START, step(1, "proposal", "reverted", "a"), step(2, "proposal", "duplicate", "a", round=2)]
    attempts = State.from_steps(log).history
    assert [(attempt.digest, attempt.verdict.status, attempt.kept) for attempt in attempts] == [
        ("a", Status.VERIFIED, False),
        ("a", Status.VERIFIED, False),
    ]
