import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from evaluator.errors import ModelError, UsageError
from harness.llm.client import ModelClient
from harness.llm.faults import CallFailed
from harness.settings import LlmSettings
from tests.harness.llm.asking import AT_ONCE, ENVIRON, KEY, ask, client, failure
from tests.harness.llm.serving import ScriptedServer, answers, cuts, drips, drops, refuses, sends, stalls


def test_a_reply_with_its_cost(server: ScriptedServer) -> None:
    server.script = [answers("Use 8 warps.")]

    reply = ask(server, usd_per_million_input=2.0, usd_per_million_output=10.0, temperature=0.5, max_tokens=100)

    assert (reply.text, reply.finish_reason, reply.truncated) == ("Use 8 warps.", "stop", False)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.estimated) == (1000, 200, False)
    assert reply.usd == pytest.approx(0.004)
    assert (reply.attempts, reply.model) == (1, "small-model-0125")
    assert f"Bearer {KEY}" in server.headers[0].values()
    assert server.requests == [
        {
            "model": "small-model",
            "messages": [{"role": "user", "content": "Make it faster."}],
            "max_tokens": 100,
            "temperature": 0.5,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


def test_an_answer_that_ends_at_a_length_limit_says_so(server: ScriptedServer) -> None:
    choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "import tor"}}
    server.script = [answers(choices=[choice])]

    reply = ask(server, continue_truncated=False)

    assert reply.truncated
    assert reply.text == "import tor"
    assert len(server.requests) == 1


@pytest.mark.parametrize("wait", ["0.2", "date"])
def test_retry_after_is_kept_to(server: ScriptedServer, wait: str) -> None:
    # A date has whole seconds: two seconds ahead is at least one.
    header = formatdate(time.time() + 2, usegmt=True) if wait == "date" else wait
    server.script = [refuses(429, "slow down", Retry_After=header), answers()]
    started = time.monotonic()

    reply = ask(server)

    assert reply.attempts == 2
    assert time.monotonic() - started >= (0.9 if wait == "date" else 0.2)


def test_a_wait_that_is_too_long_ends_it(server: ScriptedServer) -> None:
    server.script = [refuses(429, "slow down", Retry_After="3600"), answers()]

    error = failure(server)

    assert "3600 seconds" in error.problem
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
def test_a_passing_failure_is_tried_again(server: ScriptedServer, status: int) -> None:
    server.script = [refuses(status, "overloaded"), answers()]

    assert ask(server).attempts == 2


def test_attempts_are_bounded(server: ScriptedServer) -> None:
    server.script = [refuses(500, "out of order")]

    error = failure(server, attempts=3)

    assert len(server.requests) == 3
    assert "500" in error.problem
    assert "out of order" in error.problem
    assert "3 attempts" in error.problem


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_tried_again(server: ScriptedServer, status: int) -> None:
    server.script = [refuses(status, "no"), answers()]

    error = failure(server)

    assert len(server.requests) == 1
    assert str(status) in error.problem


def test_an_account_without_credit_is_not_asked_again(server: ScriptedServer) -> None:
    server.script = [refuses(429, "You exceeded your quota", code="insufficient_quota"), answers()]

    assert "credit" in failure(server).problem
    assert len(server.requests) == 1


def test_a_wrong_key_names_the_variable_and_never_the_key(server: ScriptedServer) -> None:
    server.script = [refuses(401, f"Incorrect API key provided: {KEY}")]

    error = failure(server)

    assert "OPENAI_API_KEY" in error.remedy
    assert "Incorrect API key provided: ***" in error.problem


def test_an_unknown_model_is_named(server: ScriptedServer) -> None:
    server.script = [refuses(404, "The model does not exist")]

    assert "llm.model=small-model" in failure(server).remedy


@pytest.mark.parametrize("behaviour", [stalls, drips])
def test_a_server_that_does_not_finish_times_out(server: ScriptedServer, behaviour: Any) -> None:
    server.script = [behaviour, answers()]

    reply = ask(server, timeout_s=1.0)

    assert reply.attempts == 2
    assert reply.estimated  # the lost answer may have been billed


def test_a_timeout_says_how_to_allow_more(server: ScriptedServer) -> None:
    server.script = [stalls]

    error = failure(server, timeout_s=0.2, attempts=1)

    assert "0.2 seconds" in error.problem
    assert "llm.timeout_s" in error.remedy


@pytest.mark.parametrize("behaviour", [drops, cuts])
def test_a_broken_connection_is_tried_again(server: ScriptedServer, behaviour: Any) -> None:
    server.script = [behaviour, answers()]
    assert ask(server).attempts == 2

    server.script = [behaviour]
    assert "broke" in failure(server, attempts=1).problem


def test_a_lost_answer_is_counted_at_its_upper_bound(server: ScriptedServer) -> None:
    server.script = [cuts, answers()]

    reply = ask(server, usd_per_million_input=1.0, usd_per_million_output=10.0, max_tokens=5000)

    assert reply.usd == pytest.approx((2 * 1000 * 1.0 + (5000 + 200) * 10.0) / 1e6)


def test_what_failed_for_good_says_what_it_may_have_cost(server: ScriptedServer) -> None:
    server.script = [cuts, refuses(401, "no")]
    prices = {"usd_per_million_input": 0.0, "usd_per_million_output": 10.0, "max_tokens": 5000}

    with client(server, **prices) as asked, pytest.raises(CallFailed) as caught:
        asked.complete("Make it faster.")

    assert caught.value.spent.calls == 2
    assert caught.value.spent.usd == pytest.approx(5000 * 10.0 / 1e6)


def test_no_retry_is_made_that_could_pass_the_cap(server: ScriptedServer) -> None:
    server.script = [cuts, answers()]
    prices = {"usd_per_million_input": 1.0, "usd_per_million_output": 10.0, "max_tokens": 5000}

    with client(server, **prices) as asked:
        with pytest.raises(ModelError, match="spending cap"):
            asked.complete("Make it faster.", cap_usd=0.09)
        server.requests.clear()
        assert asked.complete("Make it faster.", cap_usd=0.11).attempts == 2


@pytest.mark.parametrize("body", [b"<html>\x1b[31mWelcome</html>", b'{"choices": [{"mess', b""])
def test_what_is_not_json_is_shown_after_the_last_attempt(server: ScriptedServer, body: bytes) -> None:
    server.script = [sends(200, body)]

    error = failure(server, attempts=2)

    assert len(server.requests) == 2
    assert "not JSON" in error.problem
    assert "\x1b" not in error.problem
    assert len(error.problem) < 400
    if body.startswith(b"<html>"):
        assert "Welcome" in error.problem


def test_a_long_page_is_cut(server: ScriptedServer) -> None:
    server.script = [sends(200, b"<p>" + b"word " * 100_000)]

    assert len(failure(server, attempts=1).problem) < 400


@pytest.mark.parametrize("choices", [[], None, [{"index": 0}], "none"])
def test_an_answer_without_a_message_is_refused(server: ScriptedServer, choices: Any) -> None:
    server.script = [answers(choices=choices)]

    error = failure(server)

    assert "no answer" in error.problem or "without a message" in error.problem
    assert len(server.requests) == 1


def test_json_that_is_no_object_is_refused(server: ScriptedServer) -> None:
    server.script = [sends(200, [1, 2])]

    assert "no answer" in failure(server).problem


def test_an_error_under_status_200(server: ScriptedServer) -> None:
    server.script = [sends(200, {"error": {"code": 503, "message": "provider is down"}}), answers()]
    assert ask(server).attempts == 2

    server.requests.clear()
    server.script = [sends(200, {"error": {"code": 400, "message": "context too long"}})]
    assert "context too long" in failure(server).problem
    assert len(server.requests) == 1


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": "many"}])
def test_tokens_are_estimated_where_the_server_counts_none(server: ScriptedServer, usage: Any) -> None:
    server.script = [answers("x" * 400, usage=usage)]

    reply = ask(server)

    assert reply.completion_tokens == 100
    assert 0 < reply.prompt_tokens < 20
    assert reply.estimated


def test_a_server_that_reads_only_a_part_of_a_prompt_is_noticed(server: ScriptedServer) -> None:
    server.script = [answers(usage={"prompt_tokens": 100, "completion_tokens": 5})]

    with client(server) as asked:
        assert asked.complete("x = 1\n" * 200).notes == ()
        (note,) = asked.complete("x = 1\n" * 2000).notes

    assert "counts 100 tokens of a prompt that has at least 1000" in note


def test_deviations_of_local_servers(server: ScriptedServer) -> None:
    parts = [{"type": "text", "text": "Use "}, {"type": "image", "url": "x"}, {"type": "text", "text": "8 warps."}]
    message = {"role": "assistant", "content": parts, "reasoning_content": "It is compute-bound."}
    server.script = [answers(choices=[{"message": message}], model=None)]

    reply = ask(server)

    assert reply.text == "Use 8 warps."
    assert reply.reasoning == "It is compute-bound."
    assert reply.finish_reason == ""
    assert not reply.truncated
    assert reply.model == "small-model"


def test_the_newer_name_of_the_length_limit_is_learnt(server: ScriptedServer) -> None:
    refusal = refuses(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    server.script = [refusal, answers()]

    with client(server) as asked:
        asked.complete("one")
        asked.complete("two")

    assert ["max_tokens" in request for request in server.requests] == [True, False, False]
    assert server.requests[2]["max_completion_tokens"] == 16_384


def test_an_unreachable_server_is_named_without_its_password() -> None:
    settings = LlmSettings(model="m", base_url="http://me:hunter2@127.0.0.1:1/v1?token=abcdef", attempts=2)

    with ModelClient(settings, {}, AT_ONCE) as asked, pytest.raises(ModelError) as caught:
        asked.complete("hello")

    assert "http://127.0.0.1:1/v1" in caught.value.problem
    for secret in ("hunter2", "me:", "abcdef"):
        assert secret not in str(caught.value) + repr(asked)


def test_the_key_is_in_no_representation(server: ScriptedServer) -> None:
    with client(server) as asked:
        assert KEY not in repr(asked) + str(asked) + repr(vars(asked)["_key"])


def test_a_key_from_a_file(server: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-from-file\n")
    server.script = [answers()]

    ask(server, api_key_file=path)

    assert "Bearer sk-from-file" in server.headers[0].values()


@pytest.mark.parametrize("content", [None, "", "two words", "naïve"])
def test_a_key_file_that_holds_no_key(server: ScriptedServer, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ModelError) as caught:
        client(server, api_key_file=path)

    assert str(path) in caught.value.problem
    assert content is None or not content or content not in str(caught.value)


def test_a_local_server_needs_no_key(server: ScriptedServer) -> None:
    server.script = [answers()]

    assert ask(server, environ={}).text


def test_a_server_elsewhere_needs_a_key() -> None:
    settings = LlmSettings(model="m", base_url="https://me:hunter2@models.example.com/v1", api_key_env="MY_KEY")

    with pytest.raises(ModelError, match="MY_KEY is not set") as caught:
        ModelClient(settings, ENVIRON)

    assert "hunter2" not in str(caught.value)


def test_the_base_url_of_the_environment_is_used(server: ScriptedServer) -> None:
    server.script = [answers()]
    environ = {"OPENAI_BASE_URL": server.url}

    with ModelClient(LlmSettings(model="m"), environ, AT_ONCE) as asked:
        asked.complete("hello")

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["models.example.com/v1", "http://", "http://[::1", "ftp://host/v1", "http://h:port/v1"]
)
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="base URL"):
        ModelClient(LlmSettings(model="m", base_url=url), ENVIRON)


def test_the_query_of_the_base_url_goes_along(server: ScriptedServer) -> None:
    server.script = [answers()]

    ask(server, base_url=f"{server.url}?api-version=2026-10&token=abcdef")

    assert server.paths == ["/v1/chat/completions?api-version=2026-10&token=abcdef"]


def test_a_model_must_be_named() -> None:
    with pytest.raises(UsageError, match=r"llm\.model=NAME"):
        ModelClient(LlmSettings(), ENVIRON)
