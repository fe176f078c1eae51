"""Every strategy through the whole engine: a real store, real threads, recorded verdicts.

Each of some thirty runs makes, checks and saves its candidates for real, which takes most of a second.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from candidates import advice
from candidates.store import Ask
from evaluator.verdict import Status, Verdict
from harness.engine import views
from harness.engine.planning import Planner
from harness.proposers.base import Context, Cost, Proposal, Proposer
from harness.proposers.recorded import RecordedProposer, read_steps
from harness.settings import LlmSettings, ProposerSettings, SearchSettings
from harness.state import State, in_order
from tests.harness.recording import STAGES, digest, failed, kernel, reply, settings, source, verdict
from tests.harness.test_loop import Bench

KINDS = 60
ROUNDS = 16
SEARCHES = {
    "greedy": SearchSettings(rounds=ROUNDS, patience=ROUNDS),
    "best_of_n": SearchSettings(strategy="best_of_n", rounds=ROUNDS, patience=ROUNDS, width=5),
    "beam": SearchSettings(strategy="beam", rounds=ROUNDS, patience=ROUNDS, width=3, inspirations=1),
    "evolution": SearchSettings(
        strategy="evolution",
        rounds=ROUNDS,
        patience=ROUNDS,
        islands=2,
        migrate_every=4,
        crossover=0.4,
        explore=0.2,
        inspirations=2,
    ),
}
Make = Callable[..., Bench]
by_strategy = pytest.mark.parametrize("name", SEARCHES)
alone_and_together = pytest.mark.parametrize("concurrency", [1, 4])


def time_of(factor: int) -> float:
    """Milliseconds of a candidate that is right, between 0.6 and 1."""
    return 1.0 - (factor * 37 % KINDS) / (2.5 * KINDS)


def found(factor: int) -> Verdict:
    """One in six is wrong; the others behave in some six ways."""
    if factor % 6 == 5:
        return failed(Status.WRONG_OUTPUT, "all values differ")
    behaves = kernel(registers=40 + 50 * (factor % 3), shared_bytes=8192 * (factor % 2), grid=(4096,), loads=1)
    return verdict(ms=time_of(factor), kernels=(behaves,))


def faster(factor: int) -> int:
    """The candidate next in speed that gains enough to be kept; the same one where none is."""
    now = time_of(factor)
    better = [other for other in range(1, KINDS) if other % 6 != 5 and time_of(other) < 0.97 * now]
    return max(better, key=time_of, default=factor)


def factor_of(code: str) -> int:
    """Which candidate this is."""
    return next(factor for factor in range(KINDS) if source(factor) == code)


@pytest.fixture(scope="module")
def table() -> Mapping[str, Verdict]:
    return {digest(factor): found(factor) for factor in range(KINDS)}


@pytest.fixture(autouse=True)
def _without_a_second_opinion(monkeypatch: pytest.MonkeyPatch) -> None:
    # As where kernelguard is not installed: a process for each candidate would take minutes, and changes nothing here.
    monkeypatch.setattr(advice, "available", lambda: False)


@pytest.fixture
def bench(tmp_path: Path, table: Mapping[str, Verdict]) -> Iterator[Callable[..., Bench]]:
    """Makes benches on the table, each in a folder of its own."""
    made: list[Bench] = []

    def make(answering: Proposer, **changes: Any) -> Bench:
        root = tmp_path / str(len(made))
        root.mkdir()
        made.append(Bench(root, settings(root, **changes), dict(table), answering))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Answering:
    """Answers each question in its own way: what comes depends on nothing but the plan, or on the code to repair."""

    name = "llm"

    def __init__(self) -> None:
        self.shown: list[Context] = []

    def propose(self, context: Context) -> Proposal:
        self.shown.append(context)
        plan = context.plan
        asked = f"{plan.operator}/{context.digest}/{plan.inspirations}/{plan.model}/{plan.sample}"
        factor = int(hashlib.sha256(asked.encode()).hexdigest(), 16) % KINDS
        if plan.model == "poor":
            factor = 5  # wrong, again and again
        elif plan.model == "good":
            factor = faster(factor_of(context.source))
        text = reply(source(factor))
        cost = Cost(prompt_tokens=1000, completion_tokens=100, usd=0.01, calls=1)
        return Proposal(self.name, "another one", prompt="asked", reply=text, model=plan.model, cost=cost)


def llm(concurrency: int, **more: Any) -> dict[str, Any]:
    return {
        "proposer": ProposerSettings(kind="llm", reason="a test asks for it"),
        "llm": LlmSettings(concurrency=concurrency, **more),
    }


def asks(run: Bench) -> tuple[Ask, ...]:
    return run.store.asks(run.store.open_run(run.given.key, {}).id)


def decisions(run: Bench) -> list[tuple[Any, ...]]:
    """All that a replay has to bring about again."""
    return [
        (s.ticket, s.kind, s.candidate, s.decision, s.operator, s.parent, s.inspirations, s.island, s.sample)
        for s in run.steps
    ]


@by_strategy
@alone_and_together
def test_it_runs_to_its_end_and_every_prefix_of_its_log_gives_the_plan_that_was_made(
    bench: Make, name: str, concurrency: int
) -> None:
    run = bench(Answering(), search=SEARCHES[name], **llm(concurrency))
    assert run.go().finished
    made = asks(run)
    assert Counter(ask.kind for ask in made)["proposal"] == ROUNDS
    state, planned = State(), 0
    for event in in_order(made, run.steps):
        if isinstance(event, Ask) and event.kind == "proposal":
            plan = Planner(run.given, run.proposer).plan(state, STAGES["finetune"], entered=bool(state.stages))
            assert plan == views.plan_of(event)
            planned += 1
        state = state.after(event)
    assert planned == ROUNDS
    questions = {(a.operator, a.parent, a.inspirations, a.model, a.sample) for a in made if a.kind == "proposal"}
    assert len(questions) == ROUNDS


@by_strategy
def test_a_recording_replays_to_the_same_decisions_in_the_same_order(bench: Make, name: str) -> None:
    run = bench(Answering(), search=SEARCHES[name], **llm(4))
    run.go()
    recorded = RecordedProposer(read_steps(run.store, run.store.open_run(run.given.key, {}).id))
    again = bench(recorded, search=SEARCHES[name], proposer=ProposerSettings(kind="recorded", run="x"))
    assert again.go().finished
    assert decisions(again) == decisions(run)


def test_a_recording_knows_which_arms_a_bandit_chose(bench: Make) -> None:
    search = SEARCHES["greedy"].model_copy(update={"arms": "bandit"})
    run = bench(Answering(), search=search, **llm(4, models={"good": 1.0, "poor": 1.0}))
    run.go()
    recorded = RecordedProposer(read_steps(run.store, run.store.open_run(run.given.key, {}).id))
    again = bench(recorded, search=SEARCHES["greedy"], proposer=ProposerSettings(kind="recorded", run="x"))
    again.go()
    assert decisions(again) == decisions(run)
    assert [(ask.model, ask.operator) for ask in asks(again)] == [(ask.model, ask.operator) for ask in asks(run)]
    assert len({(ask.model, ask.operator) for ask in asks(run) if ask.kind == "proposal"}) > 2


@by_strategy
def test_interrupted_and_gone_on_with_it_ends_as_if_undisturbed(bench: Make, name: str) -> None:
    whole, broken = (bench(Answering(), search=SEARCHES[name], **llm(1)) for _ in range(2))
    whole.go()
    for stop in (3, 8, 2):
        broken.go([False] * stop + [True])
    broken.go()
    assert broken.log == whole.log


@by_strategy
def test_what_is_shown_is_what_was_planned(bench: Make, name: str) -> None:
    answering = Answering()
    run = bench(answering, search=SEARCHES[name], **llm(4))
    run.go()
    for context in answering.shown:
        if context.failure is None:
            assert context.digest == context.plan.parent
            assert context.source == run.store.source(context.plan.parent)
            shown = [run.store.source(each) for each in context.plan.inspirations]
            assert [each.source for each in context.inspirations] == shown
            assert all(each.why for each in context.inspirations)


def test_a_beam_improves_more_than_the_incumbent(bench: Make) -> None:
    run = bench(Answering(), search=SEARCHES["beam"], **llm(1))
    run.go()
    current, behind = "", 0
    for step in run.steps:
        behind += step.kind == "proposal" and step.parent != current
        current = step.candidate if step.decision in ("start", "kept") else current
    assert behind > ROUNDS / 3


def test_evolution_crosses_what_behaves_differently_on_every_island(bench: Make) -> None:
    run = bench(Answering(), search=SEARCHES["evolution"], **llm(4))
    run.go()
    made = [ask for ask in asks(run) if ask.kind == "proposal"]
    state = State.from_log(run.steps, asks(run))
    cells = {m.digest: m.cell for m in views.view(state, STAGES["finetune"], True, run.given).members}
    crossed = [ask for ask in made if ask.operator == "crossover"]
    assert crossed
    assert all(cells[ask.parent] != cells[ask.inspirations[0]] for ask in crossed)
    assert len(set(cells.values())) > 3
    assert {ask.island for ask in made} == {0, 1}
    assert {step.island for step in run.steps if step.kind == "proposal"} == {0, 1}


def test_several_models_take_turns_by_their_weights(bench: Make) -> None:
    run = bench(Answering(), search=SEARCHES["beam"], **llm(4, models={"often": 3.0, "seldom": 1.0}))
    run.go()
    counted = Counter(ask.model for ask in asks(run) if ask.kind == "proposal")
    assert set(counted) == {"often", "seldom"}
    assert counted["often"] > counted["seldom"]
    models = {ask.number: ask.model for ask in asks(run)}
    assert all(step.model == models[step.ticket] for step in run.steps if step.ticket is not None)


@alone_and_together
def test_a_bandit_leaves_the_model_that_always_fails(bench: Make, concurrency: int) -> None:
    search = SEARCHES["greedy"].model_copy(update={"arms": "bandit", "rounds": 40, "patience": 40})
    run = bench(Answering(), search=search, **llm(concurrency, models={"good": 1.0, "poor": 1.0}))
    run.go()
    late = Counter(ask.model for ask in asks(run)[6:] if ask.kind == "proposal")
    assert late["good"] > 2 * late["poor"]


def test_a_repair_is_paid_by_the_proposal_that_made_it_due(bench: Make) -> None:
    run = bench(Answering(), search=SEARCHES["beam"], **llm(1, models={"good": 1.0, "poor": 1.0}))
    run.go()
    pulls = views.pulls(State.from_log(run.steps, asks(run)))
    assert len(pulls) == ROUNDS
    assert sum(pull.usd or 0.0 for pull in pulls) == pytest.approx(0.01 * (len(run.steps) - 1))
    mended = [ask.number for ask in asks(run) if ask.kind == "repair"]
    assert Counter(round(pull.usd or 0.0, 3) for pull in pulls)[0.02] == len(mended) > 0
    gained = {step.ticket: step.verdict.gain.estimate for step in run.steps[1:] if step.decision == "kept"}
    assert sorted(pull.gain for pull in pulls if pull.gain) == pytest.approx(sorted(gained.values()))
