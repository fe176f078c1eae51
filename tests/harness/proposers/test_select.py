from pathlib import Path
from typing import Any

import pytest

from evaluator.errors import ModelError, UsageError
from evaluator.request import EvaluatorSettings
from evaluator.tasks import Task, Tolerance
from harness.proposers.rules import RulesProposer
from harness.proposers.select import announce, choose, proposer
from harness.settings import (
    BudgetSettings,
    LlmSettings,
    ProposerSettings,
    SearchSettings,
    Settings,
    StoreSettings,
)
from tests.harness.proposers.conftest import RTX_4090, stage

KEY = "sk-test-4f1d9b62c0a84e"
WITH_KEY = {"OPENAI_API_KEY": KEY}


def settings(kind: str = "auto", *, run: str = "", usd: float | None = 1.0, **llm: Any) -> Settings:
    return Settings(
        task=Task(name="t", reference="", path=Path("t.py"), tolerance=Tolerance(rtol=0, atol=0, reference_factor=2)),
        gpu=RTX_4090,
        stages=(stage(),),
        repair=stage(template="repair"),
        proposer=ProposerSettings(kind=kind, run=run),
        llm=LlmSettings(**llm),
        search=SearchSettings(),
        budget=BudgetSettings(usd=usd),
        evaluator=EvaluatorSettings(),
        store=StoreSettings(root=Path("runs")),
        key="0",
    )


@pytest.mark.parametrize(
    ("environ", "llm", "kind", "reason"),
    [
        ({}, {}, "rules", "neither OPENAI_API_KEY nor OPENAI_BASE_URL is set"),
        ({"OPENAI_API_KEY": ""}, {}, "rules", "neither"),
        (WITH_KEY, {}, "llm", "OPENAI_API_KEY is set"),
        ({"OPENAI_BASE_URL": "http://localhost/v1"}, {}, "llm", "OPENAI_BASE_URL is set"),
        ({"OTHER": "k"}, {"api_key_env": "OTHER"}, "llm", "OTHER is set"),
        ({}, {"base_url": "http://localhost/v1"}, "llm", "llm.base_url is given"),
    ],
)
def test_auto(environ: dict[str, str], llm: dict[str, Any], kind: str, reason: str) -> None:
    chosen = choose(ProposerSettings(), LlmSettings(**llm), environ)

    assert chosen.kind == kind
    assert reason in chosen.reason


def test_what_is_asked_for_is_taken() -> None:
    chosen = choose(ProposerSettings(kind="rules"), LlmSettings(), WITH_KEY)

    assert (chosen.kind, chosen.reason) == ("rules", "proposer=rules was asked for")


def test_rules_are_announced() -> None:
    line = announce(settings(), {})

    assert line.startswith("proposer: rules (neither")
    assert "nothing leaves this machine" in line


def test_a_model_is_announced_with_its_address_and_the_cap() -> None:
    line = announce(settings(model="gpt-4o", usd=2.5), WITH_KEY)

    assert "OPENAI_API_KEY is set" in line
    assert "sent to https://api.openai.com/v1, model gpt-4o, spending cap $2.50" in line
    assert "per million tokens" in line
    assert KEY not in line


def test_a_local_server_is_announced_as_free_and_without_its_password() -> None:
    line = announce(settings(model="m", base_url="http://me:hunter2@127.0.0.1:8000/v1"), {})

    assert "http://127.0.0.1:8000/v1" in line
    assert "hunter2" not in line
    assert "counts as free" in line


def test_no_cap_is_said() -> None:
    line = announce(settings(model="our-own", base_url="https://gpu.example.com/v1", usd=None), WITH_KEY)

    assert "no spending cap (the price is not known)" in line


def test_a_model_must_be_named() -> None:
    with pytest.raises(UsageError, match=r"llm\.model=NAME"):
        announce(settings(), WITH_KEY)


def test_a_cap_without_a_price_is_refused() -> None:
    with pytest.raises(UsageError, match=r"budget\.usd=null"):
        announce(settings(model="our-own", base_url="https://gpu.example.com/v1"), WITH_KEY)


def test_a_missing_key_is_said_before_any_work() -> None:
    with pytest.raises(ModelError, match="OPENAI_API_KEY is not set"):
        announce(settings("llm", model="gpt-4o"), {})


def test_a_recording_needs_a_run() -> None:
    with pytest.raises(UsageError, match=r"proposer\.run=ID"):
        announce(settings("recorded"), {})
    assert "replies of run 1234" in announce(settings("recorded", run="1234"), {})
