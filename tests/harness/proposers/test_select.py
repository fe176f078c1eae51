from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from candidates.store import Step, Store
from evaluator.errors import ModelError, UsageError
from evaluator.request import EvaluatorSettings
from evaluator.tasks import Task, Tolerance
from evaluator.triton_api import TritonApi
from evaluator.verdict import Status, Verdict
from harness.proposers.base import Context, Exchange, Failure
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
from tests.harness.llm.serving import ScriptedServer, answers
from tests.harness.proposers.conftest import RTX_4090, stage
from tests.harness.proposers.sources import PLAIN

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


def test_a_named_run_is_replayed_whatever_else_is_there() -> None:
    chosen = choose(ProposerSettings(run="1a2b"), LlmSettings(), {"OPENAI_API_KEY": "secret"})

    assert (chosen.kind, chosen.reason) == ("recorded", "run=1a2b is named")


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


def test_several_models_are_announced_each_with_its_price() -> None:
    line = announce(settings(models={"gpt-4o": 1.0, "gpt-4o-mini": 1.0}), WITH_KEY)

    assert "models gpt-4o, gpt-4o-mini, spending cap $1.00 (gpt-4o: $" in line
    assert "; gpt-4o-mini: $" in line


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
    with pytest.raises(UsageError, match="run=ID"):
        announce(settings("recorded"), {})
    assert "replies of run 1234" in announce(settings("recorded", run="1234"), {})


API = TritonApi(
    version="3.7.1",
    language=frozenset({"constexpr", "load", "store", "arange", "program_id", "cdiv"}),
    libdevice=frozenset(),
    math=frozenset(),
    tensor=frozenset({"to"}),
    top=frozenset({"jit", "cdiv"}),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open("", tmp_path) as opened:
        yield opened


def test_rules_are_made(store: Store) -> None:
    assert isinstance(proposer(settings(), store, API, {}), RulesProposer)


def test_a_model_gets_the_rendered_prompt(
    store: Store, server: ScriptedServer, context: Callable[..., Context]
) -> None:
    server.script = [answers("Use 4 warps.")]
    asked = proposer(settings(model="m"), store, API, {"OPENAI_BASE_URL": server.url})

    proposal = asked.propose(context(PLAIN, stage(num_warps=(4, 8))))

    assert proposal is not None
    assert proposal.prompt is not None
    assert "def scale_kernel" in proposal.prompt
    assert "NVIDIA GeForce RTX 4090" in proposal.prompt
    assert server.requests[0]["messages"][0]["content"] == proposal.prompt


def test_a_failure_is_shown_under_the_stage_that_repairs(
    store: Store, server: ScriptedServer, context: Callable[..., Context]
) -> None:
    server.script = [answers("A power of two is missing."), answers("Fixed.")]
    asked = proposer(settings(model="m"), store, API, {"OPENAI_BASE_URL": server.url})
    verdict = Verdict(status=Status.COMPILE_ERROR, reason="BLOCK must be a power of 2", task="t", device="rtx4090")
    failure = Failure(PLAIN.replace("BLOCK=1024", "BLOCK=1000"), verdict)

    proposal = asked.propose(context(PLAIN, stage(num_warps=(4, 8)), failure=failure))

    assert proposal is not None
    assert proposal.prompt is not None
    assert "BLOCK must be a power of 2" in proposal.prompt
    assert "BLOCK=1000" in proposal.prompt
    assert "A power of two is missing." in proposal.prompt
    assert proposal.analysis is not None
    assert "BLOCK=1000" in proposal.analysis.prompt
    assert "plain text without code" in proposal.analysis.prompt


def test_a_saved_run_is_replayed(store: Store, context: Callable[..., Context]) -> None:
    digest = store.put_candidate(PLAIN)
    run = store.open_run("key", {})
    said = {"prompt": store.put_text("Improve."), "reply": store.put_text("Use 8 warps."), "model": "m"}
    common = {"stage": "finetune", "candidate": digest, "decision": "duplicate"}
    store.add_step(run.id, Step(index=0, kind="start", candidate=digest, decision="start"))
    store.add_step(run.id, Step(index=1, change="8 warps", **common, **said))
    store.add_step(run.id, Step(index=2, change="r", **common))
    asked = {"analysis_prompt": store.put_text("Why?"), "analysis_reply": store.put_text("Because.")}
    store.add_step(run.id, Step(index=3, kind="repair", **common, **said, **asked))

    replayed = proposer(settings("recorded", run=run.id[:6]), store, API, {})
    made = context(PLAIN, stage())
    first, second, third = replayed.propose(made), replayed.propose(made), replayed.propose(made)

    assert first is not None
    assert (first.prompt, first.reply, first.change, first.model) == ("Improve.", "Use 8 warps.", "8 warps", "m")
    assert second is not None
    assert (second.source, second.reply) == (PLAIN, None)
    assert third is None
    failure = Failure(PLAIN, Verdict(status=Status.COMPILE_ERROR, task="t", device="rtx4090"))
    mended = replayed.propose(context(PLAIN, stage(), failure=failure))
    assert mended is not None
    assert mended.analysis == Exchange("Why?", "Because.")
    assert (mended.reply, mended.cost.calls) == ("Use 8 warps.", 0)
