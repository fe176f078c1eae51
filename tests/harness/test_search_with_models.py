"""An evolution with two models, over HTTP: who is asked is who was planned, and what inspires is in the prompt."""

import io
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from candidates import advice
from candidates.store import Store
from harness.run import execute
from harness.settings import BudgetSettings, LlmSettings, ProposerSettings, SearchSettings
from tests.harness.llm.conftest import server as server
from tests.harness.llm.serving import ScriptedServer, answers
from tests.harness.recording import RecordedEvaluator, digest, kernel, reply, settings, source, verdict

SEARCH = SearchSettings(
    strategy="evolution", rounds=12, patience=12, islands=2, migrate_every=3, crossover=0.5, explore=0.2, inspirations=2
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-4f1d9b62c0a84e")
    monkeypatch.setattr(advice, "available", lambda: False)  # a process for each candidate, and not what this is about


def test_models_operators_and_inspirations_arrive_at_the_server(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = [answers(reply(source(number))) for number in range(1, 14)]
    table = {
        digest(number): verdict(ms=1.0 - number / 40, kernels=(kernel(registers=40 + 50 * (number % 3)),))
        for number in range(14)
    }
    models = {"one": 1.0, "other/two": 2.0}
    given = settings(
        tmp_path,
        search=SEARCH,
        proposer=ProposerSettings(kind="llm"),
        llm=LlmSettings(models=models, base_url=server.url, concurrency=2),
        budget=BudgetSettings(),
    )
    out = io.StringIO()
    code = execute(given, Console(file=out, width=200), opener=lambda _: cast(Any, RecordedEvaluator(table)))
    assert code == 0
    assert "models one, other/two" in out.getvalue()
    with Store.open("", tmp_path) as store:
        (run,) = store.runs()
        asks, steps = store.asks(run.id), store.steps(run.id)
        prompts = {step.ticket: store.text(step.prompt) for step in steps if step.prompt}
        sources = {step.candidate: store.source(step.candidate) for step in steps}
    requests = {(request["model"], request["messages"][0]["content"]) for request in server.requests}
    assert len(asks) == len(server.requests) == 12
    assert {(ask.model, prompts[ask.number]) for ask in asks} == requests
    assert {ask.model for ask in asks} == set(models)
    crossed = [ask for ask in asks if ask.operator == "crossover"]
    assert crossed
    for ask in asks:
        prompt = prompts[ask.number]
        assert sources[ask.parent].strip() in prompt
        assert all(sources[shown].strip() in prompt for shown in ask.inspirations)
        assert ("Join the current code with other version 1" in prompt) == (ask.operator == "crossover")
        assert ("compute the same in another way" in prompt) == (ask.operator == "explore")
