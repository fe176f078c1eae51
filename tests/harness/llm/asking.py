"""A client for a scripted server, and what tests ask it."""

from typing import Any

import pytest

from evaluator.errors import ModelError
from harness.llm.answers import Reply
from harness.llm.client import ModelClient
from harness.llm.exchanges import Record
from harness.llm.retrying import Patience
from harness.settings import LlmSettings
from tests.harness.llm.serving import ScriptedServer

KEY = "sk-test-4f1d9b62c0a84e"
ENVIRON = {"OPENAI_API_KEY": KEY}
AT_ONCE = Patience(first_s=0.01, most_s=0.02)


def client(
    server: ScriptedServer, environ: dict[str, str] = ENVIRON, record: Record | None = None, **settings: Any
) -> ModelClient:
    chosen = {"model": "small-model", "base_url": server.url, "timeout_s": 5.0, "attempts": 3} | settings
    return ModelClient(LlmSettings(**chosen), environ, AT_ONCE, record)


def ask(server: ScriptedServer, prompt: str = "Make it faster.", **settings: Any) -> Reply:
    with client(server, **settings) as asked:
        return asked.complete(prompt)


def failure(server: ScriptedServer, **settings: Any) -> ModelError:
    with client(server, **settings) as asked, pytest.raises(ModelError) as caught:
        asked.complete("Make it faster.")
    assert KEY not in str(caught.value)
    return caught.value
