"""How much of a run its evaluator has nothing to do, with a model that takes its time.

    python -m benchmarks.overlap [--task NAME] [--latency S] [--in-flight N] [--rounds N] [--json OUT.json]

A server on the loopback interface answers every request after `latency` seconds with a variant of the task's start
that nobody has seen before. The run is an ordinary one: real client, real store, real evaluator, on the GPU if there is
one. Printed as JSON; the idle share is defined in harness.reports.account. It includes the start, while no candidate is
written yet, and the wait for the first answers.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console

from candidates.store import Store
from harness.config import load
from harness.reports.account import idle_share
from harness.run import execute
from harness.settings import Settings
from harness.state import State


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="softmax")
    parser.add_argument("--latency", type=float, default=10.0, help="seconds from a request to its answer")
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=48)
    parser.add_argument("--json", type=Path, help="write the figures there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overlap-") as folder, served(given.latency) as server:
        server.start = load([f"task={given.task}"]).task.start
        settings = load(words(given, server.server_address[1], folder))
        began = time.monotonic()
        with Path(os.devnull).open("w") as nowhere:
            execute(settings, Console(file=nowhere, width=100))
        found = figures(settings, time.monotonic() - began)
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def words(given: argparse.Namespace, port: int, folder: str) -> list[str]:
    """The run as a person would ask for it."""
    return [
        f"task={given.task}",
        "proposer=llm",
        "llm.model=loopback",
        f"llm.base_url=http://127.0.0.1:{port}/v1",
        f"llm.concurrency={given.in_flight}",
        "llm.stream=false",
        f"search.rounds={given.rounds}",
        f"search.patience={given.rounds}",
        "search.repairs=0",
        "budget.usd=null",
        f"store.root={folder}",
    ]


def figures(settings: Settings, wall_s: float) -> dict[str, Any]:
    """What came out of the run."""
    with Store.open(settings.store.url, settings.store.root) as store:
        record = store.open_run(settings.key, {})
        state = State.from_log(store.steps(record.id), store.asks(record.id))
    share = idle_share(state.steps)
    return {
        "device": next((step.verdict.device for step in state.steps if step.verdict), ""),
        "task": settings.task.name,
        "in_flight": settings.llm.concurrency,
        "rounds": settings.search.rounds,
        "verdicts": Counter(str(step.verdict.status) for step in state.steps if step.verdict),
        "median_reply_s": sorted(step.reply_seconds for step in state.steps)[len(state.steps) // 2],
        "busy_s": round(sum(step.evaluation_seconds for step in state.steps), 2),
        "loop_s": round(sum(step.seconds for step in state.steps), 2),
        "invocation_s": round(wall_s, 2),
        "idle_share": None if share is None else round(share, 4),
    }


class Server(ThreadingHTTPServer):
    """Answers each chat completion after a while, with a module that nobody has seen before."""

    daemon_threads = True
    start = ""

    def __init__(self, latency_s: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.latency_s = latency_s
        self.numbers = count(1)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.latency_s)
        source = variant(self.server.start, next(self.server.numbers))
        message = {"role": "assistant", "content": f"The same, once more.\n\n```python\n{source}```\n"}
        answer = {
            "id": "loopback",
            "object": "chat.completion",
            "created": 0,
            "model": "loopback",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def variant(source: str, number: int) -> str:
    """The source with a constant of its own, which changes its identity and nothing else."""
    return re.sub(r"(?m)^(@triton\.\w+.*\n)", rf"VARIANT = {number}\n\n\n\1", source, count=1)


@contextmanager
def served(latency_s: float) -> Iterator[Server]:
    """The server, while it runs."""
    server = Server(latency_s)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    sys.exit(main())
