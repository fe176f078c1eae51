"""Whole runs over a real store, with recorded verdicts and scripted replies."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from candidates.store import Step
from evaluator.errors import OracleError
from evaluator.request import Request
from evaluator.verdict import Status
from harness.llm.budget import Spent
from harness.loop import Ending
from harness.proposers.base import Context, Proposal
from harness.proposers.rules import RulesProposer
from harness.settings import BudgetSettings, SearchSettings
from harness.state import State
from prompts.stages import Stage
from tests.evaluator.verdicts import default_task
from tests.harness import recording
from tests.harness.bench import Bench
from tests.harness.recording import (
    STAGES,
    Script,
    Ties,
    digest,
    failed,
    kernel,
    reply,
    source,
    verdict,
)

WRONG = failed(Status.WRONG_OUTPUT, "3 of 64 values differ")
BROKEN = failed(Status.COMPILE_ERROR, "line 9: incompatible shapes")
MEASURED = {
    digest(0): verdict(ms=1.0),
    digest(1): verdict(ms=0.9),  # a gain over the start
    digest(2): WRONG,
    digest(3): BROKEN,
    digest(4): verdict(ms=0.899),  # a tie with 1
    digest(5): verdict(ms=0.8),  # a gain over 1
    digest(6): WRONG,
}
ROUNDS = [
    [reply(source(1))],  # kept
    [reply(source(2)), reply(source(4))],  # wrong; the repair is right, and a tie
    [reply(source(1))],  # seen before
    ["I would rather not write code.", reply(source(3))],  # no code; the repair does not compile
    [reply(source(5))],  # kept
    [reply(source(6)), reply(source(6))],  # wrong; the repair is the same code
]
TOLD = [
    ("start", 0, "start", "verified"),
    ("proposal", 1, "kept", "verified"),
    ("proposal", 2, "failed", "wrong_output"),
    ("repair", 2, "reverted", "verified"),
    ("proposal", 3, "duplicate", ""),
    ("proposal", 4, "failed", "extract_error"),
    ("repair", 4, "failed", "compile_error"),
    ("proposal", 5, "kept", "verified"),
    ("proposal", 6, "failed", "wrong_output"),
    ("repair", 6, "duplicate", ""),
]
SIX = SearchSettings(rounds=6, patience=6)


def told(steps: Sequence[Step]) -> list[tuple[str, int, str, str]]:
    return [(s.kind, s.round, s.decision, str(s.verdict.status) if s.verdict else "") for s in steps]


def test_a_whole_search(bench: Any) -> None:
    run = bench(MEASURED, Script(ROUNDS), search=SIX)
    assert run.go() == Ending(True, "all stages are done")
    assert told(run.steps) == TOLD
    state = State.from_log(run.steps)
    assert state.current == digest(5)
    assert run.steps[3].note.startswith("a tie")
    assert run.steps[3].parent == digest(2)
    assert run.steps[7].parent == digest(1)
    assert run.store.text(run.steps[1].reply) == reply(source(1))
    assert state.spent.tokens == 150 * 9


def test_nothing_is_evaluated_twice_in_a_run(bench: Any) -> None:
    run = bench(MEASURED, Script(ROUNDS), search=SIX)
    run.go()
    assert sorted(run.evaluator.asked) == sorted(MEASURED)


@pytest.mark.parametrize("steps", range(len(TOLD) - 1))
def test_interrupted_after_any_step_a_run_ends_as_if_undisturbed(bench: Any, steps: int) -> None:
    undisturbed = bench(MEASURED, Script(ROUNDS), search=SIX)
    undisturbed.go()
    run = bench(MEASURED, Script(ROUNDS), search=SIX)
    assert run.go([False] * steps + [True]) == Ending(False, "interrupted")
    assert len(run.steps) == steps + 1
    assert run.go().finished
    assert run.log == undisturbed.log
    assert run.evaluator.asked == undisturbed.evaluator.asked


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_a_log_from_before_there_were_asks_goes_on(bench: Any, steps: int) -> None:
    undisturbed = bench(MEASURED, Script(ROUNDS), search=SIX)
    undisturbed.go()
    run = bench(MEASURED, Script(ROUNDS), search=SIX)
    old = run.store.open_run(run.given.key, {})
    for number in range(7):
        run.store.put_candidate(source(number))
    for step in undisturbed.steps[:steps]:
        run.store.add_step(old.id, step.model_copy(update={"ticket": None, "operator": ""}))
    assert run.go().finished
    assert told(run.steps) == TOLD
    assert [step.ticket for step in run.steps[steps:]] == [step.ticket for step in undisturbed.steps[steps:]]


def test_a_run_stopped_dead_in_an_evaluation_loses_that_step_only(bench: Any) -> None:
    def stop(request: Request) -> None:
        if request.digest == digest(4):
            raise KeyboardInterrupt

    undisturbed = bench(MEASURED, Script(ROUNDS), search=SIX)
    undisturbed.go()
    run = bench(MEASURED, Script(ROUNDS), search=SIX)
    run.evaluator.on_evaluate = stop
    with pytest.raises(KeyboardInterrupt):
        run.go()
    assert told(run.steps) == TOLD[:3]
    run.evaluator.on_evaluate = lambda request: None
    run.go()
    assert run.log == undisturbed.log


def test_a_repair_is_told_what_failed_and_the_next_round_is_not(bench: Any) -> None:
    seen: list[Context] = []

    class Watching(Script):
        def propose(self, context: Context) -> Proposal | None:
            seen.append(context)
            return super().propose(context)

    bench(MEASURED, Watching(ROUNDS), search=SIX).go()
    repairs = [context for context in seen if context.failure]
    assert [context.round for context in repairs] == [2, 4, 6]
    assert repairs[0].failure is not None
    assert repairs[0].failure.source == source(2)
    assert repairs[0].failure.verdict.reason == "3 of 64 values differ"
    assert repairs[1].failure is not None
    assert repairs[1].failure.source == ""
    assert seen[-1].source == source(5)
    assert len(seen[-1].history) == 8


@pytest.mark.parametrize(("repairs", "rounds"), [(0, [1, 2]), (1, [1, 1, 2]), (2, [1, 1, 1, 2])])
def test_as_many_repairs_as_asked_for(bench: Any, repairs: int, rounds: list[int]) -> None:
    script = Script([[reply(source(2)), reply(source(3)), reply(source(6))], [reply(source(1))]])
    run = bench(MEASURED, script, search=SearchSettings(rounds=2, repairs=repairs))
    run.go()
    assert [step.round for step in run.steps[1:]] == rounds


def test_patience_counts_rounds_without_progress(bench: Any) -> None:
    script = Script([[reply(source(1))], [reply(source(2))], [reply(source(3))], [reply(source(5))]])
    run = bench(MEASURED, script, search=SearchSettings(rounds=9, patience=2, repairs=0))
    assert run.go().finished
    assert [step.decision for step in run.steps] == ["start", "kept", "failed", "failed"]
    assert "finetune ends: no progress in 2 rounds" in run.said


def test_a_proposer_with_nothing_left_ends_its_stage(bench: Any) -> None:
    run = bench(MEASURED, Script([[reply(source(1))]]))
    assert run.go().finished
    assert [step.decision for step in run.steps] == ["start", "kept", "declined"]
    assert "finetune ends: the llm proposer has nothing left to offer" in run.said
    assert "declined" not in run.said


@pytest.mark.parametrize(
    ("budget", "steps", "reason"),
    [
        (BudgetSettings(usd=0.02), 3, "budget.usd"),
        (BudgetSettings(usd=None, calls=3), 4, "budget.calls"),
        (BudgetSettings(usd=None, tokens=150), 2, "budget.tokens"),
        (BudgetSettings(usd=None, evaluations=2), 2, "budget.evaluations"),
    ],
)
def test_a_budget_stops_a_run_and_a_raised_one_goes_on(
    bench: Any, budget: BudgetSettings, steps: int, reason: str
) -> None:
    undisturbed = bench(MEASURED, Script(ROUNDS), search=SIX)
    undisturbed.go()
    run = bench(MEASURED, Script(ROUNDS), search=SIX, budget=budget)
    ending = run.go()
    assert not ending.finished
    assert reason in ending.reason
    assert len(run.steps) == steps
    assert not run.go().finished
    assert len(run.steps) == steps
    run.given = run.given.model_copy(update={"budget": BudgetSettings(usd=None)})
    assert run.go().finished
    assert run.log == undisturbed.log


class Priced(Script):
    """A script whose replies could cost three times what they do."""

    def worst(self, context: Context) -> Spent:
        return Spent(usd=0.03, tokens=300, calls=1)


def test_nothing_is_asked_for_that_could_pass_the_budget(bench: Any) -> None:
    run = bench(MEASURED, Priced(ROUNDS), search=SIX, budget=BudgetSettings(usd=0.05))
    ending = run.go()
    assert not ending.finished
    assert "the next step could cost $0.03, and $0.02 is left" in ending.reason
    assert State.from_log(run.steps).spent.usd == pytest.approx(0.03)


def test_the_proposer_is_told_what_is_left(bench: Any) -> None:
    left: list[float | None] = []

    class Watching(Script):
        def propose(self, context: Context) -> Proposal | None:
            left.append(context.left_usd)
            return super().propose(context)

    bench(MEASURED, Watching(ROUNDS[:1] * 2), search=SearchSettings(rounds=2), budget=BudgetSettings(usd=1.0)).go()
    bench(MEASURED, Watching(ROUNDS[:1]), search=SearchSettings(rounds=1)).go()
    assert left == [pytest.approx(1.0), pytest.approx(0.99), None]


UNMEASURED = {
    digest(0): verdict(),
    digest(1): verdict(kernels=(kernel(spill_bytes=32),)),
    digest(2): verdict(kernels=(kernel(occupancy=0.5),)),
    digest(3): verdict(kernels=(kernel(registers=40),)),
    digest(4): failed(Status.UNCHECKED, "inline assembly has no interpreter"),
}


def test_without_a_gpu_candidates_are_nominated_and_nothing_is_kept(bench: Any) -> None:
    script = Script([[reply(source(number))] for number in (1, 2, 3, 4)])
    run = bench(UNMEASURED, script, device="")
    run.go()
    assert [step.decision for step in run.steps] == ["start", "reverted", "reverted", "nominated", "failed"]
    assert State.from_log(run.steps).current == digest(3)


def test_the_rules_proposer_searches_and_resumes(bench: Any) -> None:
    def everything_ties(stop_after: int) -> Bench:
        run: Bench = bench({}, RulesProposer(), device="", stages=("finetune",))
        cast(Any, run.evaluator).table = Ties()
        run.go([False] * stop_after + [True])
        run.go()
        return run

    whole = everything_ties(99)
    assert len(whole.steps) > 2
    *proposed, last = whole.steps
    assert {step.decision for step in proposed} == {"start", "nominated"}
    assert len({step.candidate for step in proposed}) == len(proposed)
    assert (last.decision, last.candidate) == ("declined", "")
    assert everything_ties(2).log == whole.log


def test_a_failed_start_is_drafted_anew_by_a_model(bench: Any) -> None:
    table = {**MEASURED, digest(0): BROKEN}
    script = Script([[reply(source(2)), reply(source(1))], [reply(source(5))]])
    run = bench(table, script, search=SearchSettings(rounds=2))
    assert run.go().finished
    assert [(step.stage, step.round, step.decision) for step in run.steps] == [
        ("start", 0, "failed"),
        ("draft", 1, "failed"),
        ("draft", 1, "kept"),
        ("finetune", 1, "duplicate"),
        ("finetune", 2, "kept"),
    ]


def test_a_task_without_a_start_begins_with_a_draft(bench: Any) -> None:
    run = bench(MEASURED, Script([[reply(source(1))]]), task=recording.task(start=""))
    run.go()
    assert (run.steps[0].stage, run.steps[0].kind, run.steps[0].decision) == ("draft", "proposal", "kept")


def test_a_failed_start_that_nobody_can_draft_anew_says_why(bench: Any) -> None:
    run = bench({digest(0): BROKEN}, RulesProposer())
    ending = run.go()
    assert ending == Ending(True, "no candidate works (the starting point failed: line 9: incompatible shapes)")
    assert "finetune skipped: there is no code that works yet" in run.said


def stage(name: str, skip_when: str = "") -> Stage:
    return STAGES["finetune"].model_copy(update={"name": name, "skip_when": skip_when})


def test_a_stage_is_skipped_when_its_condition_holds_and_says_by_which_values(bench: Any) -> None:
    stages = (
        stage("first", "registers < 40"),
        stage("second", "registers > 40"),
        stage("third", "sm_throughput >= 75"),
    )
    run = bench(MEASURED, Script([[reply(source(1))], [reply(source(5))]]), search=SearchSettings(rounds=1))
    run.given = run.given.model_copy(update={"stages": stages})
    run.go()
    assert [step.stage for step in run.steps] == ["start", "second", "third"]
    assert "first skipped: registers 32 < 40" in run.said


def test_a_stage_that_was_entered_is_not_skipped_on_resuming(bench: Any) -> None:
    table = {**MEASURED, digest(1): verdict(ms=0.9, kernels=(kernel(registers=100),))}
    run = bench(table, Script([[reply(source(1))], [reply(source(5))]]), search=SearchSettings(rounds=2))
    run.given = run.given.model_copy(update={"stages": (stage("only", "registers > 90"),)})
    run.go([False, True])
    run.go()
    assert [step.decision for step in run.steps] == ["start", "kept", "kept"]


def test_a_failure_of_the_machine_is_none_of_the_candidate(bench: Any) -> None:
    table = {**MEASURED, digest(2): failed(Status.INFRA_ERROR, "the oracle died")}
    script = Script([[reply(source(2))], [reply(source(2))], [reply(source(1))]])
    run = bench(table, script)
    with pytest.raises(OracleError, match="2 evaluations in a row"):
        run.go()
    assert [step.decision for step in run.steps] == ["start", "failed", "failed"]
    table[digest(2)] = WRONG
    run.evaluator.table = table
    run.go()
    assert run.steps[3].decision == "kept"


def test_a_start_that_the_machine_failed_on_is_not_recorded(bench: Any) -> None:
    run = bench({digest(0): failed(Status.INFRA_ERROR, "the oracle died")}, Script([]))
    with pytest.raises(OracleError, match="the oracle died"):
        run.go()
    assert run.steps == ()


def test_the_incumbent_is_profiled_once_and_the_profile_is_kept(bench: Any) -> None:
    run = bench(MEASURED, Script(ROUNDS), search=SIX)
    run.go()
    assert run.evaluator.profiled == [digest(0), digest(1), digest(5)]


def test_a_stage_without_headroom_ends_before_anything_is_proposed(bench: Any) -> None:
    run = bench({digest(0): default_task()}, Script(ROUNDS), search=SIX)
    assert run.go() == Ending(True, "all stages are done")
    assert told(run.steps) == [("start", 0, "start", "verified")]
    assert run.evaluator.profiled == []
    assert "finetune ends: norm_gelu_scale_kernel runs at 92 %" in run.said
    assert "at most 1.2 % is left, below min_gain 2 %" in run.said
    assert "stage draft could take it" in run.said


def test_headroom_that_is_worth_having_goes_on(bench: Any) -> None:
    modest = SearchSettings(rounds=1, min_gain=0.005)
    run = bench({digest(0): default_task(), digest(1): default_task()}, Script(ROUNDS), search=modest)
    run.go()
    assert [kind for kind, *_ in told(run.steps)] == ["start", "proposal"]
