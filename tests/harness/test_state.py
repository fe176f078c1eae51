"""The fold from steps to state."""

from typing import Any

from candidates.store import Ask, Step, Use
from evaluator.verdict import Status
from harness.state import State, in_order
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
    state = State.from_log(log)
    assert state.current == "a"
    assert state.seen == {"s", "a", "b", "c"}
    assert (state.round, state.idle) == (4, 3)
    assert state.verified == 3


def test_a_failed_start_leaves_nothing_to_go_on_from() -> None:
    assert State.from_log([step(0, "start", "failed", "s")]).current == ""


def test_a_fold_in_two_parts_is_the_fold_of_the_whole() -> None:
    log = [
        START,
        step(1, "proposal", "failed", "a"),
        step(2, "repair", "nominated", "b"),
        step(3, "proposal", "kept", "c"),
    ]
    for cut in range(len(log) + 1):
        state = State.from_log(log[:cut])
        for following in log[cut:]:
            state = state.after(following)
        assert state == State.from_log(log)


def due(log: list[Step], repairs: int) -> int | None:
    """Index of the step that is to be repaired next."""
    broken = State.from_log(log).broken(repairs)
    return broken.index if broken else None


def test_a_failure_is_repaired_as_often_as_asked_and_no_more() -> None:
    broken = step(1, "proposal", "failed", "a")
    again = step(2, "repair", "failed", "b")
    assert State.from_log([START]).broken(1) is None
    assert State.from_log([START, broken]).broken(0) is None
    assert due([START, broken], 1) == 1
    assert due([START, broken, again], 1) is None
    assert due([START, broken, again], 2) == 2


def test_a_repair_belongs_to_its_round_and_the_next_round_has_its_own() -> None:
    log = [START, step(1, "proposal", "failed", "a"), step(2, "repair", "failed", "b")]
    following = step(3, "proposal", "failed", "c", round=2)
    assert State.from_log(log).round == 1
    assert due([*log, following], 1) == 3


def test_what_the_machine_failed_on_may_be_tried_again() -> None:
    infra = step(1, "proposal", "failed", "a", verdict=failed(Status.INFRA_ERROR, "the oracle died"))
    state = State.from_log([START, infra])
    assert "a" not in state.seen
    assert state.broken(1) is None


def test_a_failure_that_was_not_repaired_before_the_next_round_is_settled() -> None:
    log = [START, step(1, "proposal", "failed", "a"), step(2, "proposal", "kept", "b", round=2)]
    assert due(log, 1) is None


def ask(number: int, after: int, **more: Any) -> Ask:
    return Ask(**{"number": number, "after": after, "stage": "finetune", "round": number + 1, **more})


def test_asks_and_steps_are_one_log() -> None:
    asks = [ask(0, 1), ask(1, 1), ask(2, 2), ask(3, 3)]
    steps = [START, step(1, "proposal", "reverted", "b", ticket=1), step(2, "proposal", "kept", "a", ticket=0)]
    log = list(in_order(asks, steps))
    assert [event.number if isinstance(event, Ask) else f"step {event.index}" for event in log] == [
        "step 0", 0, 1, "step 1", 2, "step 2", 3,
    ]  # fmt: skip
    state = State.from_log(steps, asks)
    assert [pending.number for pending in state.pending] == [2, 3]
    assert (state.round, state.answered, state.idle, state.next_number) == (4, 2, 0, 4)


def test_several_failures_are_each_repaired_in_their_own_round() -> None:
    asks = [ask(0, 1), ask(1, 1)]
    steps = [START, step(1, "proposal", "failed", "b", ticket=1), step(2, "proposal", "failed", "a", ticket=0)]
    state = State.from_log(steps, asks)
    first = state.broken(1)
    assert first is not None
    assert first.ticket == 1
    state = state.after(ask(2, 3, kind="repair", mends=1, round=2))
    second = state.broken(1)
    assert second is not None
    assert second.ticket == 0
    assert state.after(ask(3, 3, kind="repair", mends=0, round=1)).broken(1) is None
    assert state.proposal(2).number == 1


def test_what_was_declined_ends_the_stage_until_the_next_begins() -> None:
    asks = [ask(0, 1), ask(1, 1)]
    steps = [START, step(1, "proposal", "declined", ticket=0, verdict=None, note="nothing left")]
    state = State.from_log(steps, asks)
    assert (state.exhausted, state.answered) == ("nothing left", 0)
    assert state.after(ask(2, 2, stage="memory", visit=1, round=1)).exhausted == ""


def test_lost_attempts_are_spent() -> None:
    lost = ask(0, 1, reserved=Use(usd=0.5, tokens=10, calls=1), lost=Use(usd=0.25, tokens=5, calls=1))
    state = State.from_log([START], [lost])
    assert (state.spent.usd, state.spent.tokens, state.spent.calls) == (0.25, 5, 1)
    more = lost.model_copy(update={"lost": Use(usd=0.75, tokens=15, calls=2)})
    assert state.changed(more).spent.usd == 0.75


def test_a_new_stage_begins_with_fresh_patience() -> None:
    log = [
        START,
        step(1, "proposal", "reverted", "a"),
        step(2, "proposal", "reverted", "b", round=2),
        step(3, "proposal", "reverted", "c", stage="memory"),
    ]
    state = State.from_log(log)
    assert (state.stages, state.round, state.idle) == (("finetune", "memory"), 1, 1)


def test_a_stage_named_twice_is_two_stages() -> None:
    twice = ["finetune", "memory", "finetune"]
    log = [START, step(1, "proposal", "kept", "a"), step(2, "proposal", "kept", "b", stage="memory")]
    assert State.from_log(log).position(twice) == 1
    log.append(step(3, "proposal", "kept", "c"))
    assert State.from_log(log).position(twice) == 2
    assert State.from_log([START]).position(twice) == -1


def test_the_same_stage_twice_in_a_row_is_told_by_its_rounds() -> None:
    log = [START, step(1, "proposal", "failed", "a"), step(2, "repair", "failed", "b")]
    assert State.from_log(log).position(["finetune", "finetune"]) == 0
    log.append(step(3, "proposal", "kept", "c"))
    assert State.from_log(log).position(["finetune", "finetune"]) == 1


def test_spending_is_the_sum_over_the_steps_and_refusals_are_no_evaluations() -> None:
    log = [
        START,
        step(1, "proposal", "kept", "a", usd=0.25, prompt_tokens=100, completion_tokens=20, calls=2, seconds=30.0),
        step(2, "proposal", "failed", "b", verdict=failed(Status.RULE_VIOLATION, "no"), usd=0.5, calls=1, seconds=30.0),
        step(3, "proposal", "failed", "", verdict=failed(Status.EXTRACT_ERROR, "no code")),
        step(4, "proposal", "duplicate", "a"),
    ]
    spent = State.from_log(log).spent
    assert (spent.usd, spent.tokens, spent.calls, spent.minutes, spent.evaluations) == (0.75, 120, 3, 1.0, 2)


def test_an_unknown_price_stays_unknown() -> None:
    assert State.from_log([START, step(1, "proposal", "kept", "a", usd=None)]).spent.usd is None


def test_history_tells_a_duplicate_with_the_verdict_of_its_original() -> None:
    log = [START, step(1, "proposal", "reverted", "a"), step(2, "proposal", "duplicate", "a", round=2)]
    attempts = State.from_log(log).history
    assert [(attempt.digest, attempt.verdict.status, attempt.kept) for attempt in attempts] == [
        ("a", Status.VERIFIED, False),
        ("a", Status.VERIFIED, False),
    ]


def test_a_repair_that_repeats_the_failed_code_is_still_to_be_repaired() -> None:
    log = [START, step(1, "proposal", "failed", "a"), step(2, "repair", "duplicate", "a")]
    assert due(log, 1) is None
    assert due(log, 2) == 2
    worked = [START, step(1, "proposal", "failed", "a"), step(2, "repair", "duplicate", "s")]
    assert due(worked, 2) is None
    assert due([START, step(1, "proposal", "failed", "a"), step(2, "proposal", "duplicate", "a", round=2)], 2) is None


def test_the_board_holds_what_is_right_once_and_knows_where_it_came_from() -> None:
    log = [
        START,
        step(1, "proposal", "failed", "a", parent="s"),
        step(2, "repair", "reverted", "b", parent="a"),
        step(3, "proposal", "duplicate", "b", parent="s", round=2),
        step(4, "proposal", "kept", "c", parent="s", round=3),
    ]
    state = State.from_log(log)
    assert [(each.digest, each.kept) for each in state.board] == [("s", True), ("b", False), ("c", True)]
    assert (state.origin("b"), state.origin("c"), state.origin("s"), state.origin("")) == ("a", "s", "", "")
