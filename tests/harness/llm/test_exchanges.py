"""What is kept of every exchange, and given again where that is wanted; several threads at once."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from candidates.store import Store
from evaluator.errors import ModelError, StoreError
from tests.harness.llm.asking import client
from tests.harness.llm.serving import ScriptedServer, answers, chunk, events, refuses, stalls, streams


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open("", tmp_path / "runs") as opened:
        yield opened


def kept(root: Path) -> list[tuple[str, str, str]]:
    database = sqlite3.connect(root / "runs" / "harness.db")
    rows = database.execute("SELECT key, request, response FROM exchange ORDER BY id").fetchall()
    database.close()
    return rows


def test_every_exchange_is_kept_and_none_is_used_unless_asked_for(
    server: ScriptedServer, store: Store, tmp_path: Path
) -> None:
    server.script = [answers("one"), answers("two")]

    with client(server, record=store) as asked:
        texts = [asked.complete("the same").text for _ in range(2)]

    assert texts == ["one", "two"]
    (first, request, response), (second, *_) = kept(tmp_path)
    assert first == second
    said, came = json.loads(store.text(request)), json.loads(store.text(response))
    assert (said["url"], said["api"], said["model"]) == (server.url, "chat", "small-model")
    assert said["messages"] == [{"role": "user", "text": "the same"}]
    assert (came["text"], came["prompt_tokens"], came["attempts"], came["usd"]) == ("one", 1000, 1, 0.0)
    assert came["seconds"] > 0


def test_the_cache_answers_what_was_asked_before_at_no_cost(server: ScriptedServer, store: Store) -> None:
    server.script = [answers("one")]
    prices = {"usd_per_million_input": 1.0, "usd_per_million_output": 1.0}
    with client(server, record=store, **prices) as asked:
        paid = asked.complete("the same")

    with client(server, record=store, cache=True, **prices) as asked:
        reply = asked.complete("the same")
        asked.complete("the same", sample=1)
        asked.complete("another")

    assert len(server.requests) == 3
    assert paid.usd
    assert (reply.text, reply.usd, reply.attempts, reply.spent.tokens) == ("one", 0.0, 0, 0)
    assert "cache" in reply.notes[0]


def test_what_determines_an_answer_is_part_of_the_question(server: ScriptedServer, store: Store) -> None:
    server.script = [answers("one")]
    settings: list[dict[str, Any]] = [{}, {"temperature": 0.5}, {"max_tokens": 10}, {"model": "m"}, {"stream": False}]

    for changed in settings:
        with client(server, record=store, cache=True, **changed) as asked:
            asked.complete("the same")

    assert len(server.requests) == 4  # whether it is streamed determines nothing


def test_a_continuation_is_an_exchange_of_its_own(server: ScriptedServer, store: Store, tmp_path: Path) -> None:
    server.script = [
        streams(events(chunk("import tor", "length"))),
        streams(events(chunk("ch", "stop"))),
    ]
    for _ in range(2):
        with client(server, record=store, cache=True) as asked:
            assert asked.complete("Import torch.").text == "import torch"

    assert len(server.requests) == 2
    assert len(kept(tmp_path)) == 2


def test_failures_are_not_kept(server: ScriptedServer, store: Store, tmp_path: Path) -> None:
    server.script = [refuses(401, "no")]

    with client(server, record=store) as asked, pytest.raises(ModelError):
        asked.complete("hello")

    assert kept(tmp_path) == []


def test_a_damaged_reply_is_said(server: ScriptedServer, store: Store, tmp_path: Path) -> None:
    server.script = [answers()]
    with client(server, record=store) as asked:
        asked.complete("hello")
    (key, request, _), *_ = kept(tmp_path)
    store.put_exchange(key, store.text(request), '{"text": 1}')

    with client(server, record=store, cache=True) as asked, pytest.raises(StoreError, match="can't be read") as caught:
        asked.complete("hello")

    assert "llm.cache=false" in caught.value.remedy


class Crowd:
    """Counts how many requests are being answered at the same time; refuses those beyond what it stands."""

    def __init__(self, stands: int, together: int) -> None:
        self.stands = stands
        self.together = threading.Barrier(together)  # an answer waits until so many came, so that they do come together
        self.now = self.most = self.refused = 0
        self.lock = threading.Lock()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            too_many = self.now > self.stands
            self.refused += too_many
        try:
            if too_many:
                refuses(429, "slow down", Retry_After="0.01")(handler)
                return
            try:
                self.together.wait(0.5)
            except threading.BrokenBarrierError:
                self.together.reset()
            answers()(handler)
        finally:
            with self.lock:
                self.now -= 1


def test_several_threads_are_answered_at_the_same_time(server: ScriptedServer, store: Store) -> None:
    crowd = Crowd(stands=100, together=3)
    server.script = [crowd]

    with client(server, record=store, concurrency=3) as asked, ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda number: asked.complete(f"question {number}"), range(12)))

    assert [reply.attempts for reply in replies] == [1] * 12
    assert crowd.most == 3


def test_a_busy_server_is_asked_less(server: ScriptedServer) -> None:
    crowd = Crowd(stands=2, together=2)
    server.script = [crowd]

    with client(server, concurrency=8, attempts=30) as asked, ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda number: asked.complete(f"question {number}"), range(40)))

    assert len(replies) == 40
    assert all(reply.text for reply in replies)
    assert crowd.refused > 0
    assert len(server.requests) == 40 + crowd.refused


def test_closing_gives_up_what_is_in_flight(server: ScriptedServer) -> None:
    server.script = [stalls]
    asked = client(server, timeout_s=60.0)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asked.complete, "hello")
        while not server.requests:
            assert not waiting.done()
        asked.close()
        with pytest.raises(ModelError, match="given up"):
            waiting.result(20)

    with pytest.raises(ModelError, match="closed"):
        asked.complete("hello")
