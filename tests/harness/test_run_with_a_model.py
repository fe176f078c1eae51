"""Whole invocations with a model's server that is really there, over recorded verdicts: what is said of trouble."""

import io
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from candidates.store import RunRecord, Step, Store
from harness import run as running
from harness.boundary import guarded
from harness.run import execute
from harness.settings import BudgetSettings, LlmSettings, ProposerSettings, SearchSettings, Settings
from tests.harness.llm.conftest import server as server
from tests.harness.llm.serving import ScriptedServer, answers, chunk, events, refuses, stalls, streams
from tests.harness.recording import RecordedEvaluator, Ties, reply, settings, source, verdict

KEY = "sk-test-4f1d9b62c0a84e"
PRICES = {"usd_per_million_input": 1.0, "usd_per_million_output": 1.0}
NEW = answers(reply(source(1)))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def asked(root: Path, url: str, budget: BudgetSettings | None = None, **llm: Any) -> Settings:
    chosen = {"model": "m", "base_url": url, "attempts": 1, "concurrency": 1, "timeout_s": 30.0, **PRICES} | llm
    return settings(
        root,
        proposer=ProposerSettings(kind="llm"),
        llm=LlmSettings(**chosen),
        search=SearchSettings(rounds=1, repairs=0),
        budget=budget or BudgetSettings(),
    )


class Invocation:
    """Exit code and output of one, and what it left in the store."""

    def __init__(self, given: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        out = io.StringIO()
        recorded = RecordedEvaluator(Ties(verdict(ms=1.0)))
        console = Console(file=out, width=160)
        self.code = guarded(lambda: execute(given, console, opener=lambda _: cast(Any, recorded)), debug=False)
        self.out = out.getvalue()
        self.err = capsys.readouterr().err
        assert KEY not in self.out + self.err
        self.record: RunRecord | None = None
        self.steps: tuple[Step, ...] = ()
        self.usd: float | None = 0.0
        with Store.open("", given.store.root) as store:
            for record in store.runs():
                self.record, self.steps = record, store.steps(record.id)
                self.usd = running.State.from_log(self.steps, store.asks(record.id)).spent.usd


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


TROUBLE = {
    "wrong key": (refuses(401, f"Incorrect API key provided: {KEY}"), "The key came from the environment variable"),
    "unknown model": (refuses(404, "The model `m` does not exist", code="model_not_found"), "Check llm.model=m"),
    "endless stream": (streams(events(chunk("I "), done=False), then=stalls), "did not finish an answer in 1.5"),
    "half a line": (streams(events(chunk("I "), done=False) + b'data: {"cho'), "sent something that is not JSON"),
    "half a stream": (streams(events(chunk("I "), done=False)), "broke off in the middle of an answer"),
}


@pytest.mark.parametrize(("behaviour", "said"), TROUBLE.values(), ids=TROUBLE.keys())
def test_a_server_in_trouble_ends_the_run_with_a_sentence_and_loses_nothing(
    server: ScriptedServer, root: Path, capsys: pytest.CaptureFixture[str], behaviour: Any, said: str
) -> None:
    server.script = [behaviour]

    ended = Invocation(asked(root, server.url, timeout_s=1.5 if "1.5" in said else 30.0), capsys)

    assert ended.code == 3
    assert said in ended.err
    assert [step.decision for step in ended.steps] == ["start"]
    assert "1 ms" in ended.out  # the board, with what was found before
    assert ended.record is not None
    assert ended.record.state == "interrupted"

    server.script = [NEW]
    going_on = Invocation(asked(root, server.url), capsys)

    assert going_on.code == 0
    assert "going on after 1 steps" in going_on.out
    assert [step.decision for step in going_on.steps] == ["start", "reverted"]


def test_a_server_that_is_not_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = Invocation(asked(root, "http://127.0.0.1:1/v1"), capsys)

    assert ended.code == 3
    assert "http://127.0.0.1:1/v1 can't be reached" in ended.err
    assert ended.usd == 0.0


def test_an_answer_that_was_lost_for_good_is_counted(
    server: ScriptedServer, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script = [streams(events(chunk("I "), done=False))]

    ended = Invocation(asked(root, server.url, max_tokens=1000), capsys)

    assert ended.usd is not None
    assert ended.usd > 1000 / 1e6  # a whole answer and its prompt


def test_a_price_that_is_not_known_under_a_cap(
    server: ScriptedServer, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = asked(root, "https://models.example.com/v1", usd_per_million_input=None, usd_per_million_output=None)

    ended = Invocation(given, capsys)

    assert ended.code == 2
    assert "The price of m at https://models.example.com/v1 is not known" in ended.err
    assert ended.steps == ()


def test_a_budget_of_nothing(server: ScriptedServer, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.script = [NEW]

    ended = Invocation(asked(root, server.url, BudgetSettings(usd=0.0)), capsys)

    assert server.requests == []
    assert "budget.usd=0 allows nothing" in ended.out
    assert [step.decision for step in ended.steps] == ["start"]
    assert "spending cap $0.00" in ended.out.splitlines()[0]


def test_a_reply_that_was_cut_off_twice_is_never_evaluated(
    server: ScriptedServer, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script = [streams(events(chunk(reply(source(1)), "length")))]

    ended = Invocation(asked(root, server.url), capsys)

    last = ended.steps[-1]
    assert (last.decision, last.candidate) == ("failed", "")
    assert "cut off at its length limit" in last.problem
    assert last.calls == 2
    assert last.usd


def test_a_prompt_that_is_too_long_fails_one_proposal(
    server: ScriptedServer, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script = [refuses(400, "This model's maximum context length is 10 tokens", code="context_length_exceeded")]

    ended = Invocation(asked(root, server.url), capsys)

    assert ended.code == 0
    assert ended.record is not None
    assert ended.record.state == "finished"
    assert "too long for m" in ended.steps[-1].problem


def test_prices_are_kept_with_the_run_and_the_cache_is_free(
    server: ScriptedServer, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script = [NEW]
    first = Invocation(asked(root, server.url), capsys)

    again = asked(root, server.url, cache=True).model_copy(update={"fresh": True})
    second = Invocation(again, capsys)

    assert first.record is not None
    assert first.record.settings["prices"] == {"m": PRICES | {"source": "settings"}}
    assert len(server.requests) == 1
    assert second.steps[-1].usd == 0.0
    assert "from the cache" in second.steps[-1].note
    assert "from the cache" in second.out
