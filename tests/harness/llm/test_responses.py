"""The responses interface."""

from typing import Any

import pytest

from harness.llm.faults import CallFailed, PromptTooLong
from tests.harness.llm.asking import ask, client, failure
from tests.harness.llm.serving import ScriptedServer, events, refuses, sends, streams


def response(text: str = "Use 8 warps.", **changes: Any) -> dict[str, Any]:
    """A whole response."""
    summary = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "It is small."}]}
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    return {
        "id": "r1",
        "object": "response",
        "status": "completed",
        "model": "small-model-0125",
        "error": None,
        "incomplete_details": None,
        "output": [summary, message],
        "usage": {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200},
    } | changes


def deltas(*texts: str) -> list[dict[str, Any]]:
    return [
        {"type": "response.created", "response": response(status="in_progress", output=[], usage=None)},
        {"type": "response.reasoning_summary_text.delta", "delta": "It is small."},
        *({"type": "response.output_text.delta", "delta": text} for text in texts),
    ]


def ended(kind: str, **changes: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": response(**changes)}


def test_a_stream(server: ScriptedServer) -> None:
    server.script = [streams(events(*deltas("Use ", "8 warps."), ended("completed"), done=False))]

    reply = ask(server, api="responses", max_tokens=100, usd_per_million_input=2.0, usd_per_million_output=10.0)

    assert (reply.text, reply.reasoning, reply.finish_reason) == ("Use 8 warps.", "It is small.", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.estimated) == (1000, 200, False)
    assert (reply.usd, reply.model) == (pytest.approx(0.004), "small-model-0125")
    assert server.paths == ["/v1/responses"]
    assert server.requests == [
        {
            "model": "small-model",
            "input": [{"role": "user", "content": "Make it faster."}],
            "max_output_tokens": 100,
            "store": False,
            "stream": True,
        }
    ]


def test_a_whole_response(server: ScriptedServer) -> None:
    server.script = [sends(200, response())]

    assert ask(server, api="responses", stream=False).text == "Use 8 warps."


def test_an_end_that_repeats_no_output(server: ScriptedServer) -> None:
    server.script = [streams(events(*deltas("Use ", "8 warps."), ended("completed", output=[])))]

    assert ask(server, api="responses").text == "Use 8 warps."


def test_a_length_limit(server: ScriptedServer) -> None:
    cut = ended("incomplete", status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    server.script = [streams(events(*deltas("Use 8"), cut))]

    reply = ask(server, api="responses")

    assert reply.attempts == 2
    assert [message["role"] for message in server.requests[1]["input"]] == ["user", "assistant", "user"]


def test_a_server_that_calls_every_end_a_complete_one(server: ScriptedServer) -> None:
    server.script = [streams(events(*deltas("Use 8"), ended("completed")))]

    assert ask(server, api="responses", max_tokens=200, continue_truncated=False).truncated
    assert not ask(server, api="responses", max_tokens=201, continue_truncated=False).truncated


def test_a_withheld_answer(server: ScriptedServer) -> None:
    cut = ended("incomplete", status="incomplete", incomplete_details={"reason": "content_filter"})
    server.script = [streams(events(*deltas("Use 8"), cut))]

    assert ask(server, api="responses").withheld


def test_a_response_that_failed_may_succeed_another_time(server: ScriptedServer) -> None:
    error = {"code": "server_error", "message": "worker died"}
    failed = ended("failed", status="failed", output=[], error=error)
    server.script = [
        streams(events(*deltas("Use 8"), failed)),
        streams(events(*deltas(), {"type": "error", "code": "server_error", "message": "again"})),
        streams(events(*deltas(), ended("completed"))),
    ]

    assert ask(server, api="responses").attempts == 3


def test_a_stream_that_breaks_off(server: ScriptedServer) -> None:
    server.script = [streams(events(*deltas("Use 8"), done=False))]

    assert "broke off" in failure(server, api="responses", attempts=1).problem


def test_a_prompt_that_is_too_long(server: ScriptedServer) -> None:
    said = "Your input exceeds the context window of this model. Please adjust your input and try again."
    server.script = [refuses(400, said, code="context_length_exceeded")]

    with client(server, api="responses") as asked, pytest.raises(PromptTooLong):
        asked.complete("long")


def test_a_server_that_keeps_nothing_anyway(server: ScriptedServer) -> None:
    server.script = [refuses(400, "Unknown parameter: 'store'."), sends(200, response())]

    ask(server, api="responses")

    assert ["store" in request for request in server.requests] == [True, False]


def test_a_server_that_speaks_only_the_other_interface(server: ScriptedServer) -> None:
    server.script = [sends(404, {"detail": "Not Found"})]

    error = failure(server, api="responses")

    assert isinstance(error, CallFailed)
    assert "(404): Not Found" in error.problem
    assert "llm.api" in error.remedy
