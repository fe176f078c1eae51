"""Whole commands with a server that gives keys back wherever it can; then everything they left behind is searched."""

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.harness.llm.conftest import server as server
from tests.harness.llm.serving import ScriptedServer, chunk, events, refuses, streams
from tests.harness.recording import source
from tests.harness.shell import harness

FILE_KEY, VARIABLE_KEY = "key-in-file-4f1d9b62c0a84e", "key-in-variable-93be7d15aa02"
USER, PASSWORD, TOKEN = "gateway-user", "gateway-password-77c1", "token-in-query-5e0f"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SECRETS = [secret.encode() for secret in (FILE_KEY, VARIABLE_KEY, PASSWORD, TOKEN, BASIC)]
FAILS = source(1).replace("return y", "raise ValueError('not today')")
REFUSED = "I hand out {said}.\n\n```python\nimport os\n\nclass ModelNew:\n    pass\n```\n"


def gives_away(handler: BaseHTTPRequestHandler) -> str:
    """Everything that was sent along with the request; it is put into a header of the reply as well."""
    sent = handler.headers.get("Authorization", "")
    plain = base64.b64decode(sent.removeprefix("Basic ")).decode() if sent.startswith("Basic ") else ""
    return f"{sent} {plain} {handler.path}"


def stumbles(handler: BaseHTTPRequestHandler) -> None:
    said = gives_away(handler)
    refuses(500, f"stumbled over {said}", X_Echo=said)(handler)


def denies(handler: BaseHTTPRequestHandler) -> None:
    said = gives_away(handler)
    refuses(401, f"no entry with {said}", X_Echo=said)(handler)


def tells(handler: BaseHTTPRequestHandler) -> None:
    text = REFUSED.format(said=gives_away(handler))
    streams(events(chunk(text[:30]), chunk(text[30:]), chunk(finish="stop")))(handler)


class Watch(threading.Thread):
    """Looks, as long as it runs, into the environments of all processes that evaluate."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.found: dict[str, bytes] = {}
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    command = (folder / "cmdline").read_bytes()
                    if b"evaluator." in command or b"bwrap" in command:
                        self.found[f"{folder.name} {command[:80]!r}"] = (folder / "environ").read_bytes() + command
                except OSError:
                    continue


@pytest.fixture
def watch() -> Iterator[Watch]:
    watching = Watch()
    watching.start()
    yield watching
    watching.over.set()
    watching.join()


@pytest.mark.slow  # two whole commands, one of which evaluates for real
@pytest.mark.timeout(500)
def test_nothing_that_a_run_leaves_behind_holds_a_secret(server: ScriptedServer, tmp_path: Path, watch: Watch) -> None:
    keys, folder = tmp_path / "keys", tmp_path / "work"
    keys.mkdir()
    folder.mkdir()
    (keys / "key").write_text(FILE_KEY)
    (folder / "start.py").write_text(FAILS)  # in the sandbox, and at once
    host = server.url.removeprefix("http://")
    settings = (
        "run",
        "task=softmax",
        "start=start.py",
        "proposer=llm",
        "search.rounds=1",
        "search.repairs=0",
        "llm.concurrency=1",
    )

    server.script = [stumbles, tells]
    told = harness(
        *settings,
        "llm.model=teller",
        f"llm.api_key_file={keys / 'key'}",
        folder=folder,
        environment={"OPENAI_BASE_URL": f"http://{host}?token={TOKEN}"},
    )
    server.requests.clear()
    server.script = [denies]
    denied = harness(
        "--debug",
        *settings,
        "llm.model=denier",
        folder=folder,
        environment={"OPENAI_API_KEY": VARIABLE_KEY, "OPENAI_BASE_URL": f"http://{USER}:{PASSWORD}@{host}"},
    )

    assert told.returncode == 1, told.stdout + told.stderr
    assert "not today" in told.stdout
    assert "rule_violation" in told.stdout
    assert denied.returncode == 3, denied.stdout + denied.stderr
    assert "refused the request (401): no entry with" in denied.stderr
    sent = [{name.lower(): value for name, value in headers.items()}["authorization"] for headers in server.headers]
    assert sent[:2] == [f"Bearer {FILE_KEY}"] * 2
    assert f"Basic {BASIC}" in sent
    assert server.paths[0] == f"/v1/chat/completions?token={TOKEN}"
    left = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert any(path.endswith("harness.db") for path in left)
    assert any(b"I hand out" in text for path, text in left.items() if "/blobs/" in path)
    assert any("/hydra/" in path for path in left)
    shown = {
        name: text.encode()
        for name, text in {"out": told.stdout + denied.stdout, "err": told.stderr + denied.stderr}.items()
    }
    assert watch.found
    places = left | shown | watch.found
    assert [(place, secret) for place, text in places.items() for secret in SECRETS if secret in text] == []
