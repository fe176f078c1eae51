"""The client against two servers that other people wrote."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from evaluator.errors import ModelError
from harness.llm.answers import Reply
from harness.llm.client import ModelClient
from harness.llm.faults import CallFailed, PromptTooLong
from harness.llm.retrying import Patience
from harness.settings import LlmSettings
from tests.servers.conftest import KEY

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1200)]
PROMPT = "Write one sentence about warps."


def client(url: str, key: str = KEY, **settings: Any) -> ModelClient:
    chosen = {"model": "small", "base_url": url, "attempts": 2, "max_tokens": 12, "timeout_s": 240.0} | settings
    return ModelClient(LlmSettings(**chosen), {"OPENAI_API_KEY": key}, Patience(0.01, 0.02))


def ask(url: str, prompt: str = PROMPT, **settings: Any) -> Reply:
    with client(url, **settings) as asked:
        return asked.complete(prompt)


@pytest.mark.parametrize("stream", [True, False])
def test_litellm_chat(litellm: str, stream: bool) -> None:
    reply = ask(litellm, stream=stream, temperature=0.5, max_tokens=1000)

    assert (reply.text, reply.finish_reason, reply.estimated) == ("Use 8 warps.", "stop", False)
    assert reply.prompt_tokens
    assert reply.completion_tokens


def test_litellm_responses(litellm: str) -> None:
    # Its made-up answers can't be streamed through this interface: it fails with status 500 (docs/models.md).
    reply = ask(litellm, api="responses", stream=False, max_tokens=1000)

    assert (reply.text, reply.finish_reason, reply.estimated) == ("Use 8 warps.", "stop", False)


def test_litellm_many_at_once(litellm: str) -> None:
    with client(litellm, max_tokens=1000) as asked, ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda number: asked.complete(f"{PROMPT} {number}"), range(16)))

    assert [reply.text for reply in replies] == ["Use 8 warps."] * 16


@pytest.mark.parametrize(("model", "status"), [("busy", "(429)"), ("broken", "(500)")])
def test_litellm_passing_failures(litellm: str, model: str, status: str) -> None:
    with client(litellm, model=model) as asked, pytest.raises(CallFailed) as caught:
        asked.complete(PROMPT)

    assert status in caught.value.problem
    assert "after 2 attempts" in caught.value.problem


def test_litellm_a_prompt_that_is_too_long(litellm: str) -> None:
    with client(litellm, model="short") as asked, pytest.raises(PromptTooLong):
        asked.complete(PROMPT)


def test_litellm_an_unknown_model(litellm: str) -> None:
    with client(litellm, model="unheard-of") as asked, pytest.raises(ModelError, match="unheard-of"):
        asked.complete(PROMPT)


def test_litellm_a_wrong_key(litellm: str) -> None:
    wrong = "sk-wrong-0123456789abcdef"

    # Without a database it can't look keys up, and doesn't call that 401.
    with client(litellm, key=wrong) as asked, pytest.raises(ModelError, match=r"\(400\): No connected db") as caught:
        asked.complete(PROMPT)

    assert wrong not in str(caught.value)
    assert "OPENAI_API_KEY" in caught.value.remedy


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [True, False])
def test_llama_cpp_counts_and_stops_at_the_limit(llama: str, api: str, stream: bool) -> None:
    reply = ask(llama, api=api, stream=stream, continue_truncated=False)

    assert reply.text
    assert 0 < reply.completion_tokens <= 12
    assert reply.prompt_tokens
    assert not reply.estimated
    assert reply.truncated == (reply.completion_tokens == 12)


def test_llama_cpp_goes_on_with_what_was_cut_off(llama: str) -> None:
    reply = ask(llama, temperature=0.0)

    if reply.attempts == 1:
        pytest.skip("the model stopped by itself this time")
    assert reply.attempts == 2
    assert reply.notes


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [True, False])
def test_llama_cpp_a_prompt_that_is_too_long(llama: str, api: str, stream: bool) -> None:
    with client(llama, api=api, stream=stream) as asked, pytest.raises(PromptTooLong):
        asked.complete("warp " * 5000)
