"""What a run would use: from the steps of earlier runs, the nearest first, and what is said where there are none."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from candidates.store import Step, Store
from harness import worst
from harness.commands.estimate import lines, most, priced
from harness.forecast import Forecast, forecast
from harness.history import History, nearest
from harness.llm.budget import Spent
from harness.llm.prices import Price, bound_tokens
from harness.proposers.base import Context
from harness.run import recorded
from harness.settings import BudgetSettings, LlmSettings, ProposerSettings, SearchSettings, Settings
from tests.harness import recording
from tests.harness.shell import harness

LLM = LlmSettings(model="writer", usd_per_million_input=1.0, usd_per_million_output=10.0, max_tokens=1000)
PRICE = Price(1.0, 10.0, "settings")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open("", tmp_path) as opened:
        yield opened


def asked(root: Path, **changes: Any) -> Settings:
    """Settings of a run of one stage by a model, on a GPU."""
    given = {"llm": LLM, "proposer": ProposerSettings(kind="llm"), "search": SearchSettings(rounds=4, repairs=1)}
    return recording.settings(root, **{**given, **changes})


def add_run(store: Store, settings: Settings, steps: int = 4, seconds: float = 10.0, key: str = "key") -> str:
    """A finished run: a start, then `steps` proposals in its first stage that took `seconds` each. Returns its ID."""
    run = store.open_run(key, recorded(settings), fresh=True)
    start = Step(index=0, kind="start", stage="start", proposer="task", decision="start", seconds=3.0, gpu_seconds=2.0)
    store.add_step(run.id, start)
    for index in range(1, steps + 1):
        step = Step(
            index=index,
            stage=settings.stages[0].name,
            round=index,
            proposer=settings.proposer.kind,
            model=settings.llm.model,
            prompt_tokens=2000,
            completion_tokens=500,
            usd=0.5,
            seconds=seconds,
            gpu_seconds=seconds / 4,
            calls=1,
            decision="reverted",
        )
        store.add_step(run.id, step)
    store.close_run(run.id, "finished", "all stages are done")
    return run.id


def made(store: Store, settings: Settings) -> Forecast:
    return forecast(settings, History.read(store), {"writer": PRICE}, Spent(usd=5.0, tokens=100_000, calls=16))


def test_steps_that_are_all_alike_leave_no_doubt(store: Store, tmp_path: Path) -> None:
    settings = asked(tmp_path)
    add_run(store, settings, steps=8)  # every round with its repair
    found = made(store, settings)
    assert found.amounts["steps"].expected == 9
    assert found.amounts["tokens"].expected == 8 * 2500
    assert found.amounts["wall_s"].expected == pytest.approx(3 + 8 * 10)
    assert found.amounts["gpu_s"].expected == pytest.approx(2 + 8 * 2.5)
    usd = found.amounts["usd"]
    assert usd.expected == pytest.approx(8 * (2000 * 1 + 500 * 10) / 1e6), "at the price of today"
    assert (usd.low, usd.high) == (pytest.approx(usd.expected), pytest.approx(usd.expected))
    assert usd.at_most == 5.0


def test_more_rounds_take_more_steps(store: Store, tmp_path: Path) -> None:
    add_run(store, asked(tmp_path), steps=6)
    found = made(store, asked(tmp_path, search=SearchSettings(rounds=8, repairs=1)))
    assert found.amounts["steps"].expected == 1 + 12


def test_the_interval_spans_what_runs_did(store: Store, tmp_path: Path) -> None:
    settings = asked(tmp_path)
    for steps, seconds in ((2, 10.0), (4, 20.0), (8, 40.0)):
        add_run(store, settings, steps, seconds, key=str(steps))
    wall = made(store, settings).amounts["wall_s"]
    assert wall.low is not None
    assert wall.expected is not None
    assert wall.high is not None
    assert 20 < wall.low < wall.expected < wall.high < 330
    assert made(store, settings).amounts["wall_s"] == wall, "said twice, it is the same"


def test_the_nearest_steps_are_taken_first(store: Store, tmp_path: Path) -> None:
    settings = asked(tmp_path)
    other = settings.task.model_copy(update={"name": "another"})
    add_run(store, asked(tmp_path, task=other), steps=6, seconds=99.0)
    group = nearest(History.read(store), settings, "finetune")
    assert group is not None
    assert str(group) == "6 steps of 1 run with the same stage and model"
    add_run(store, settings, steps=3)
    group = nearest(History.read(store), settings, "finetune")
    assert group is not None
    assert len(group.steps) == 9, "three are too few to go by"
    near = add_run(store, settings, steps=2)
    group = nearest(History.read(store), settings, "finetune")
    assert group is not None
    assert (group.name, len(group.steps), len(group.visits)) == ("the same task, GPU, stage and model", 5, 2)
    assert near in group.runs


def test_other_models_are_the_last_resort_and_their_dollars_are_not_taken(store: Store, tmp_path: Path) -> None:
    add_run(store, asked(tmp_path, llm=LLM.model_copy(update={"model": "other"})), steps=8)
    settings = asked(tmp_path)
    group = nearest(History.read(store), settings, "finetune")
    assert group is not None
    assert group.name == "the same task, GPU and stage, other models"
    unpriced = forecast(settings, History.read(store), {"writer": None}, Spent(usd=None, tokens=1, calls=1))
    assert unpriced.amounts["usd"].expected is None
    assert unpriced.amounts["tokens"].expected == 8 * 2500
    assert any("price of the model is not known" in note for note in unpriced.notes)


def test_what_was_paid_counts_where_no_price_is_known(store: Store, tmp_path: Path) -> None:
    settings = asked(tmp_path)
    add_run(store, settings, steps=8)
    found = forecast(settings, History.read(store), {"writer": None}, Spent(usd=None, tokens=1, calls=1))
    assert found.amounts["usd"].expected == pytest.approx(8 * 0.5)


@pytest.mark.parametrize("change", ["rules", "unmeasured"])
def test_what_is_not_comparable_is_not_compared(store: Store, tmp_path: Path, change: str) -> None:
    other = {"rules": {"proposer": ProposerSettings(kind="rules")}, "unmeasured": {"device": ""}}[change]
    add_run(store, asked(tmp_path, **other), steps=8)
    found = made(store, asked(tmp_path))
    assert found.basis["finetune"] is None
    assert found.amounts["wall_s"].expected is None
    assert found.amounts["usd"].at_most == 5.0
    assert any("No comparable step in the store for" in note and "finetune" in note for note in found.notes)


def test_a_run_that_goes_on_does_not_say_how_long_a_stage_is(store: Store, tmp_path: Path) -> None:
    settings = asked(tmp_path)
    run = add_run(store, settings, steps=1)
    store.close_run(run, "interrupted", "interrupted")
    found = made(store, settings)
    assert found.amounts["steps"].expected == 1 + settings.search.rounds
    assert found.amounts["steps"].low is None, "one step is no basis for an interval"
    assert any("fewer than 5 steps" in note for note in found.notes)


def test_rules_cost_nothing(store: Store, tmp_path: Path) -> None:
    settings = asked(tmp_path, proposer=ProposerSettings(kind="rules"))
    found = forecast(settings, History.read(store), {}, Spent())
    assert found.amounts["usd"].expected == 0.0
    assert found.amounts["wall_s"].expected is None
    assert "dollars    none" in lines(found, settings)


def test_the_worst_case_counts_the_prompt_as_it_is_sent(tmp_path: Path) -> None:
    settings = asked(tmp_path, llm=LLM.model_copy(update={"continue_truncated": False}))
    sent: list[str] = []

    def write(context: Any, omit: Any = (), analyse: bool = False) -> str:
        sent.append(context.stage.name)
        return "p" * 4000

    def context(stage: Any) -> Context:
        return Context(settings.task, settings.gpu, stage, round=1)

    bound = worst.of_run(settings, context, write, {"writer": PRICE})
    calls = 4 * (1 + 1 * 2)  # in each of four rounds a proposal, an analysis and a repair
    assert sent == ["finetune"]
    assert bound.calls == calls
    assert bound.usd == pytest.approx(calls * PRICE.usd(bound_tokens("p" * 4000), 1000))
    real = most(settings, priced(settings))
    assert real.calls == calls
    assert real.tokens > calls * (1000 + bound_tokens(settings.task.start)), "the prompt holds the start, and more"
    unknown = worst.of_run(settings, context, write, {"writer": None})
    assert (unknown.usd, unknown.tokens) == (None, bound.tokens)


def test_a_budget_that_is_reached_is_said(store: Store, tmp_path: Path) -> None:
    settings = asked(tmp_path, budget=BudgetSettings(usd=0.01))
    add_run(store, settings, steps=8)
    assert any("budget.usd=0.01 may end the run" in note for note in made(store, settings).notes)
    roomy = asked(tmp_path, budget=BudgetSettings(usd=50))
    assert not any("may end the run" in note for note in made(store, roomy).notes)


WORDS = ("estimate", "stage=finetune", "task=softmax", "gpu=rtx4090", "evaluator.device=none", "--json")


def test_the_command_answers_without_a_key_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = harness(*WORDS, "proposer=llm", "llm.model=gpt-4o", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["usd"]["expected"] is None
    assert found["usd"]["at_most"] > 0.5
    assert found["gpu_s"] == {"expected": 0.0, "low": 0.0, "high": 0.0, "at_most": 0.0}
    assert found["basis"] == {"start": None, "finetune": None}
    assert found["notes"]
    assert list(tmp_path.iterdir()) == []


def test_the_command_wants_a_model(tmp_path: Path) -> None:
    done = harness(*WORDS, "proposer=llm", folder=tmp_path)
    assert done.returncode == 2
    assert "llm.model=NAME" in done.stderr
