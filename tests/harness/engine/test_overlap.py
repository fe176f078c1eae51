"""Several asks in flight: the order in which answers come is the log, and the log decides everything else."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from evaluator.errors import ModelError
from evaluator.request import Request
from evaluator.verdict import Status, Verdict
from harness.llm.budget import Spent
from harness.loop import Ending
from harness.proposers.base import Context, Cost, Proposal
from harness.proposers.recorded import RecordedProposer, read_steps
from harness.settings import BudgetSettings, LlmSettings, ProposerSettings, SearchSettings
from tests.harness.bench import Bench
from tests.harness.recording import digest, failed, reply, settings, source, verdict

FACTORS = 17
MODEL = ProposerSettings(kind="llm", reason="a test asks for it")
SEARCH = SearchSettings(rounds=20, patience=20)
EVOLUTION = SearchSettings(
    rounds=20, patience=20, strategy="evolution", islands=2, migrate_every=4, crossover=0.3, explore=0.3, inspirations=1
)


def landscape() -> dict[str, Verdict]:
    """Every fifth candidate is wrong; the times of the others jump about."""
    table = {digest(0): verdict(ms=1.0)}
    for factor in range(1, FACTORS + 1):
        wrong = failed(Status.WRONG_OUTPUT, f"candidate {factor} differs")
        table[digest(factor)] = wrong if factor % 5 == 0 else verdict(ms=1.0 - 0.02 * (factor * 7 % 11))
    return table


@dataclass
class Scattered:
    """A model whose answers come in another order than they were asked for: the first one lets another pass."""

    cost: Cost = Cost(prompt_tokens=100, completion_tokens=50, usd=0.01, calls=1)
    name: str = "llm"
    asked: list[Context] = field(default_factory=list)
    passed: threading.Event = field(default_factory=threading.Event)
    patience_s: float = 0.05

    def propose(self, context: Context) -> Proposal | None:
        self.asked.append(context)
        if context.ticket == 0:
            self.passed.wait(self.patience_s)  # until another one was judged
        elif context.ticket % 4 == 0:
            time.sleep(0.02)
        text = reply(source(context.ticket * 5 % FACTORS + 1))
        return Proposal(self.name, f"proposal {context.ticket}", reply=text, prompt=prompt(context), cost=self.cost)


def prompt(context: Context) -> str:
    """Everything that a prompt could be made from, but for what a run has left."""
    return repr(replace(context, left_usd=None, seen=frozenset(), ticket=0, facts={}, profile=None))


@dataclass
class Metered(Scattered):
    """The same, with a worst case of three times what it costs; watches that no more is in flight than was promised."""

    def worst(self, context: Context) -> Spent:
        return Spent(usd=0.03, tokens=450, calls=1)


def concurrent(bench: Any, proposer: Any, table: Mapping[str, Verdict] | None = None, **changes: Any) -> Bench:
    given = {"proposer": MODEL, "llm": LlmSettings(concurrency=4), "search": SEARCH, **changes}
    return cast(Bench, bench(table or landscape(), proposer, **given))


@pytest.mark.parametrize("search", [SEARCH, EVOLUTION], ids=["greedy", "evolution"])
def test_a_replay_decides_as_the_run_did_whatever_the_order_of_arrival_was(bench: Any, search: SearchSettings) -> None:
    writer = Scattered(patience_s=60)
    run = concurrent(bench, writer, search=search)
    run.evaluator.on_evaluate = lambda request: writer.passed.set() if request.digest != digest(0) else None
    assert run.go().finished
    tickets = [step.ticket for step in run.steps[1:] if step.ticket is not None]
    assert sorted(tickets) == list(range(len(tickets)))
    assert tickets != sorted(tickets), "the answers came in order, so this shows nothing"
    assert {step.kind for step in run.steps} == {"start", "proposal", "repair"}
    recorded = RecordedProposer(read_steps(run.store, run.store.open_run(run.given.key, {}).id))
    again = bench(landscape(), recorded, search=search)
    assert again.go().finished
    free = {"proposer", "usd", "prompt_tokens", "completion_tokens", "calls"}
    kept = {"reserved", "open", "arrived"}
    assert [{**step, **dict.fromkeys(free)} for step in again.log] == [
        {**step, **dict.fromkeys(free)} for step in run.log
    ]
    assert [ask.model_dump(exclude=kept) for ask in again.asks] == [ask.model_dump(exclude=kept) for ask in run.asks]


def test_as_many_are_in_flight_as_were_asked_for_while_the_evaluator_works(bench: Any) -> None:
    begun = threading.Semaphore(0)

    class Waiting(Scattered):
        def propose(self, context: Context) -> Proposal | None:
            begun.release()
            return super().propose(context)

    def judge(request: Request) -> None:
        if request.digest != digest(0) and len(run.evaluator.asked) == 1:
            for _ in range(3):  # the first proposal is being judged: its three companions are on their way
                assert begun.acquire(timeout=10)

    run = concurrent(bench, Waiting(), search=SearchSettings(rounds=4))
    run.evaluator.on_evaluate = judge
    assert run.go().finished
    assert [ask.after for ask in run.asks[:4]] == [1, 1, 1, 1]


def test_a_stage_ends_when_all_that_was_asked_for_was_judged(bench: Any) -> None:
    run = concurrent(
        bench, Scattered(), search=SearchSettings(rounds=5, patience=5, repairs=0), stages=("grid", "memory")
    )
    assert run.go().finished
    stages = [step.stage for step in run.steps]
    assert stages == ["start", *["grid"] * 5, *["memory"] * 5]
    assert {ask.after for ask in run.asks if ask.visit == 1 and ask.round <= 4} == {6}


def test_ctrl_c_asks_for_nothing_more_and_judges_what_is_in_flight(bench: Any) -> None:
    run = concurrent(bench, Scattered())
    assert run.go([False] * 6 + [True]) == Ending(False, "interrupted")
    assert len(run.asks) == 6
    assert not run.state.pending
    assert run.go().finished
    assert sum(step.kind == "proposal" for step in run.steps) == SEARCH.rounds


def test_no_budget_is_passed_with_several_requests_in_flight(bench: Any) -> None:
    granted: dict[int, float] = {}

    class Dear(Metered):
        """Every request costs its worst."""

        def propose(self, context: Context) -> Proposal | None:
            assert context.left_usd is not None
            granted[context.ticket] = context.left_usd
            return super().propose(context)

    bound = 0.25
    run = concurrent(bench, Dear(Cost(usd=0.03, calls=1)), budget=BudgetSettings(usd=bound))
    ending = run.go()
    assert not ending.finished
    assert "budget.usd" in ending.reason
    spent = run.state.spent.usd
    assert spent is not None
    assert bound - 0.03 < spent <= bound
    assert granted[0] + granted[1] + granted[2] + granted[3] <= bound + 1e-9
    assert min(granted.values()) >= 0.03


def test_what_was_lost_is_counted_at_its_worst_and_asked_again_under_its_ticket(bench: Any) -> None:
    run = concurrent(bench, Metered(), search=SearchSettings(rounds=6))
    hold = threading.Event()

    def lose(request: Request) -> None:
        if len(run.evaluator.asked) == 2:
            raise KeyboardInterrupt

    class Lost(Metered):
        def propose(self, context: Context) -> Proposal | None:
            if context.ticket == 1:
                hold.wait(20)  # still in flight when the process ends
            return super().propose(context)

    run.proposer = Lost()
    run.evaluator.on_evaluate = lose
    with pytest.raises(KeyboardInterrupt):
        run.go()
    before = {ask.number: ask for ask in run.state.pending}
    assert before[1].open
    assert not before[1].arrived
    run.evaluator.on_evaluate = lambda request: None
    run.proposer = again = Metered()
    assert run.go().finished
    lost = run.asks[1].lost
    hold.set()
    assert (lost.usd, lost.tokens, lost.calls) == (0.03, 450, 1)
    prompts = {context.ticket: prompt(context) for context in again.asked}
    assert 1 in prompts
    answered = run.state.answers[1]
    assert run.store.text(answered.prompt) == prompts[1]
    assert "history=()" in prompts[1], "it is shown what was known when it was first asked for"


def test_an_answer_that_was_paid_for_is_not_asked_for_again(bench: Any) -> None:
    def die(request: Request) -> None:
        if len(run.evaluator.asked) == 1:
            time.sleep(0.2)  # all four answers have come by now
            raise KeyboardInterrupt

    run = concurrent(bench, Metered(), search=SearchSettings(rounds=4, repairs=0))
    run.evaluator.on_evaluate = die
    with pytest.raises(KeyboardInterrupt):
        run.go()
    assert [bool(ask.arrived) for ask in run.state.pending] == [True] * 4
    assert run.state.spent.usd == pytest.approx(0.04)
    run.evaluator.on_evaluate = lambda request: None
    run.proposer = again = Metered()
    assert run.go().finished
    assert again.asked == []
    assert run.state.spent.usd == pytest.approx(0.04)
    assert run.state.spent.calls == 4


def test_a_refusing_server_ends_the_run_when_what_is_in_flight_was_judged(bench: Any) -> None:
    class Refused(Metered):
        def propose(self, context: Context) -> Proposal | None:
            if context.ticket == 5:
                raise ModelError("The model's server refused the request (401).")
            return super().propose(context)

    run = concurrent(bench, Refused())
    with pytest.raises(ModelError, match="401"):
        run.go()
    pending = run.state.pending
    assert [ask.number for ask in pending] == [5]
    assert not pending[0].open, "a refusal costs nothing"
    run.proposer = Metered()
    assert run.go().finished
    assert run.asks[5].lost.usd == 0.0


def test_the_evaluators_share_of_the_time_is_in_the_log(bench: Any) -> None:
    run = concurrent(bench, Scattered(), search=SearchSettings(rounds=3))
    run.evaluator.on_evaluate = lambda request: time.sleep(0.02)
    run.go()
    for step in run.steps:
        assert 0 <= step.evaluation_seconds <= step.seconds + 0.002
        assert step.gpu_seconds == step.evaluation_seconds
    assert run.state.spent.gpu_seconds >= 0.02


def test_gpu_seconds_are_bounded_by_the_longest_evaluation_so_far(bench: Any) -> None:
    run = concurrent(bench, Scattered(), budget=BudgetSettings(usd=None, gpu_seconds=0.2))
    run.evaluator.on_evaluate = lambda request: time.sleep(0.03)
    ending = run.go()
    assert not ending.finished
    assert "budget.gpu_seconds" in ending.reason
    assert len(run.evaluator.asked) <= 7


@pytest.mark.parametrize("name", ["evaluations", "minutes", "gpu_seconds"])
def test_a_budget_of_zero_is_said_clearly(tmp_path: Any, name: str) -> None:
    from harness.llm.budget import limits

    nothing = settings(tmp_path, budget=BudgetSettings(**{"usd": None, name: 0})).budget
    assert limits(nothing).exhausted(Spent()) == f"budget.{name}=0 allows nothing; null sets no bound"


def test_a_budget_of_no_dollars_lets_those_work_who_cost_nothing(bench: Any) -> None:
    run = concurrent(bench, Metered(), budget=BudgetSettings(usd=0))
    ending = run.go()
    assert not ending.finished
    assert "budget.usd=0 allows nothing, and the next step could cost $0.03" in ending.reason
    free = concurrent(bench, Scattered(Cost(calls=1)), budget=BudgetSettings(usd=0), search=SearchSettings(rounds=2))
    assert free.go().finished


def test_a_recording_that_lacks_a_reply_says_so_and_keeps_what_was_replayed(bench: Any) -> None:
    class Refusing(Scattered):
        def propose(self, context: Context) -> Proposal | None:
            if context.ticket == 3:
                raise ModelError("The model's server refused the request (401).")
            return super().propose(context)

    run = concurrent(bench, Refusing(), search=SearchSettings(rounds=6, repairs=0))
    with pytest.raises(ModelError, match="401"):
        run.go()
    recorded = RecordedProposer(read_steps(run.store, run.store.open_run(run.given.key, {}).id))
    again = bench(landscape(), recorded, search=SearchSettings(rounds=6, repairs=0))
    with pytest.raises(ModelError, match="Ask 3 of the recorded run has no reply") as raised:
        again.go()
    assert "What was replayed before is kept" in raised.value.remedy
    assert [step.candidate for step in again.steps] == [step.candidate for step in run.steps]


def test_where_verdicts_differ_a_replay_takes_the_answers_that_fit(bench: Any) -> None:
    run = concurrent(bench, Scattered(), search=SearchSettings(rounds=12, patience=12))
    run.go()
    everything_works = {key: verdict(ms=1.0) for key in landscape()}
    recorded = RecordedProposer(read_steps(run.store, run.store.open_run(run.given.key, {}).id))
    again = bench(everything_works, recorded, search=SearchSettings(rounds=12, patience=12))
    assert again.go().finished
    assert not [step for step in again.steps if step.kind == "repair"], "nothing failed, so nothing is repaired"
    proposed = [ask.number for ask in run.asks if ask.kind == "proposal"]
    texts = {run.store.text(run.state.answers[number].reply) for number in proposed}
    assert {again.store.text(step.reply) for step in again.steps if step.reply} == texts
