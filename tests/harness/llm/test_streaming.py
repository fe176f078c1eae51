"""Streams, and the ways in which servers deviate from what they should be."""

import json
from typing import Any

import pytest

from harness.llm.faults import CallFailed
from tests.harness.llm.asking import KEY, ask, client, failure
from tests.harness.llm.serving import (
    USAGE,
    ScriptedServer,
    answers,
    chunk,
    completion,
    events,
    refuses,
    sends,
    stalls,
    streams,
)

TWO = (chunk("Use "), chunk("8 warps."))


def test_a_stream_with_usage_at_its_end(server: ScriptedServer) -> None:
    server.script = [streams(events(*TWO, chunk(finish="stop"), USAGE))]

    reply = ask(server, usd_per_million_input=1.0, usd_per_million_output=10.0)

    assert (reply.text, reply.finish_reason, reply.model) == ("Use 8 warps.", "stop", "small-model-0125")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.estimated) == (1000, 200, False)
    assert reply.usd == pytest.approx(0.003)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_pieces_may_end_anywhere(server: ScriptedServer, size: int, end: str) -> None:
    body = events(chunk("Größe: 8 – "), chunk("warps.\r\n"), chunk(finish="stop"), USAGE, end=end)
    server.script = [streams(*(body[start : start + size] for start in range(0, len(body), size)))]

    assert ask(server).text == "Größe: 8 – warps.\r\n"


def test_comments_and_other_fields_are_passed_by(server: ScriptedServer) -> None:
    noise = b": keep-alive\n\nevent: message\nid: 7\nretry: 10\n"
    server.script = [streams(noise + events(*TWO, done=False) + b":\n\n" + noise + events(chunk(finish="stop")))]

    assert ask(server).text == "Use 8 warps."


def test_a_server_that_counts_nothing_in_streams(server: ScriptedServer) -> None:
    server.script = [streams(events(chunk("x" * 400), chunk(finish="stop")))]

    reply = ask(server)

    assert (reply.completion_tokens, reply.estimated) == (100, True)


@pytest.mark.parametrize("status", [400, 422])
def test_refused_stream_options_are_left_out_from_then_on(server: ScriptedServer, status: int) -> None:
    server.script = [
        refuses(status, "Extra inputs are not permitted: stream_options"),
        streams(events(*TWO, chunk(finish="stop"))),
    ]

    with client(server, attempts=1) as asked:
        assert asked.complete("one").attempts == 2
        assert asked.complete("two").attempts == 1

    assert ["stream_options" in request for request in server.requests] == [True, False, False]
    assert all(request["stream"] for request in server.requests)


def test_a_server_that_can_not_stream_is_asked_for_the_whole(server: ScriptedServer) -> None:
    server.script = [refuses(400, "Streaming is not supported by this model"), answers("whole")]

    assert ask(server).text == "whole"
    assert ["stream" in request for request in server.requests] == [True, False]


def test_streaming_can_be_switched_off(server: ScriptedServer) -> None:
    server.script = [answers("whole")]

    assert ask(server, stream=False).text == "whole"
    assert not server.requests[0].keys() & {"stream", "stream_options"}


def test_a_stream_that_was_not_asked_for(server: ScriptedServer) -> None:
    server.script = [streams(events(*TWO, chunk(finish="stop"), USAGE))]

    assert ask(server, stream=False).text == "Use 8 warps."


@pytest.mark.parametrize("type", ["application/json", "text/event-stream", "text/plain"])
def test_one_object_instead_of_a_stream(server: ScriptedServer, type: str) -> None:
    server.script = [streams(json.dumps(completion("whole"), indent=1).encode(), type=type)]

    assert ask(server).text == "whole"


def test_the_first_of_several_choices_is_taken(server: ScriptedServer) -> None:
    other = {"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}
    mixed = chunk("Use ")
    mixed["choices"].append(other)
    server.script = [streams(events(mixed, chunk(choices=[other]), chunk("8 warps.", "stop")))]

    reply = ask(server)

    assert (reply.text, reply.finish_reason) == ("Use 8 warps.", "stop")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own(server: ScriptedServer, field: str) -> None:
    thoughts = [chunk(choices=[{"index": 0, "delta": {"content": None, field: text}}]) for text in ("It is ", "small.")]
    server.script = [streams(events(*thoughts, *TWO, chunk(finish="stop")))]

    reply = ask(server)

    assert (reply.reasoning, reply.text) == ("It is small.", "Use 8 warps.")


def test_content_as_a_list_of_parts(server: ScriptedServer) -> None:
    server.script = [streams(events(chunk([{"type": "text", "text": "Use "}]), chunk("8 warps.", "stop")))]

    assert ask(server).text == "Use 8 warps."


def test_the_whole_message_in_the_last_event(server: ScriptedServer) -> None:
    last = {"index": 0, "message": {"role": "assistant", "content": "Use 8 warps."}, "finish_reason": "stop"}
    server.script = [streams(events(chunk(choices=[last])))]

    assert ask(server).text == "Use 8 warps."


def test_a_missing_reason_before_the_end(server: ScriptedServer) -> None:
    server.script = [streams(events(*TWO))]

    reply = ask(server)

    assert (reply.text, reply.finish_reason, reply.truncated) == ("Use 8 warps.", "", False)


def test_a_missing_reason_and_as_many_tokens_as_allowed_is_a_length_limit(server: ScriptedServer) -> None:
    server.script = [streams(events(*TWO, USAGE))]

    assert ask(server, max_tokens=200, continue_truncated=False).truncated


def test_no_end_after_a_reason(server: ScriptedServer) -> None:
    server.script = [streams(events(*TWO, chunk(finish="stop"), done=False))]

    assert ask(server).text == "Use 8 warps."


@pytest.mark.parametrize("status", [None, 503])
def test_an_error_in_the_middle_is_tried_again(server: ScriptedServer, status: int | None) -> None:
    error = {"error": {"message": f"worker died, key {KEY}", "code": status, "type": "server_error"}}
    server.script = [streams(events(*TWO, error)), answers()]

    reply = ask(server, max_tokens=500)

    assert reply.attempts == 2
    assert reply.completion_tokens == 700  # the lost answer may have been billed
    server.requests.clear()
    server.script = [streams(events(*TWO, error))]
    assert "worker died, key ***" in failure(server).problem


def test_an_error_that_stays_is_not(server: ScriptedServer) -> None:
    server.script = [streams(events(chunk("Use "), {"error": {"message": "no such tool", "code": 400}}))]

    assert "no such tool" in failure(server).problem
    assert len(server.requests) == 1


HALVES = {
    "half a line": events(*TWO, done=False) + b'data: {"choices": [{"del',
    "a line without its end": events(*TWO, done=False) + events(chunk(" More"), done=False).rstrip(),
    "no end": events(*TWO, done=False),
    "nothing but comments": b": working\n\n: working\n\n",
}


@pytest.mark.parametrize("body", HALVES.values(), ids=HALVES.keys())
def test_half_a_stream_is_no_answer(server: ScriptedServer, body: bytes) -> None:
    server.script = [streams(body), answers("whole")]
    assert ask(server).text == "whole"

    server.requests.clear()
    server.script = [streams(body)]
    error = failure(server, attempts=2)
    assert len(server.requests) == 2
    assert "not JSON" in error.problem or "broke off" in error.problem


def test_a_page_instead_of_a_stream(server: ScriptedServer) -> None:
    server.script = [streams(b"<html>\x1b[31mWelcome</html>", type="text/html")]

    error = failure(server, attempts=1)

    assert "not JSON" in error.problem
    assert "Welcome" in error.problem
    assert "llm.base_url" in error.remedy
    assert "\x1b" not in error.problem


def endless(piece: bytes) -> Any:
    def behave(handler: Any) -> None:
        while not handler.server.released.wait(0.01):
            handler.wfile.write(piece)

    return behave


def test_a_stream_without_end_is_stopped_at_the_deadline(server: ScriptedServer) -> None:
    server.script = [streams(events(*TWO, done=False), then=endless(events(chunk("."), done=False)))]

    error = failure(server, timeout_s=0.4, attempts=1)

    assert "did not finish an answer in 0.4 seconds" in error.problem
    assert "llm.timeout_s" in error.remedy


def test_silence_in_the_middle_of_an_answer_is_noticed_before_the_deadline(server: ScriptedServer) -> None:
    server.script = [streams(events(*TWO, done=False), then=stalls)]

    error = failure(server, silence_s=0.2, timeout_s=20.0, attempts=1)

    assert "did not go on with an answer in 0.2 seconds" in error.problem
    assert "llm.silence_s" in error.remedy


def test_silence_before_an_answer_is_patience(server: ScriptedServer) -> None:
    def think(handler: Any) -> None:
        handler.server.released.wait(0.3)
        handler.wfile.write(events(*TWO, chunk(finish="stop")))

    server.script = [streams(b": working\n\n", then=think)]

    assert ask(server, silence_s=0.1).text == "Use 8 warps."


@pytest.mark.parametrize("setting", ["silence_s", "timeout_s"])
def test_a_line_that_stays_open_after_the_answer_is_hung_up(server: ScriptedServer, setting: str) -> None:
    server.script = [streams(events(*TWO, chunk(finish="stop"), done=False), then=stalls)]

    assert ask(server, **{setting: 1.0}).text == "Use 8 warps."


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 2**16, b"x" * 2**16, events(chunk("x" * 2**16), done=False)])
def test_bytes_without_end_are_stopped_before_the_deadline(server: ScriptedServer, piece: bytes) -> None:
    def flood(handler: Any) -> None:
        while not handler.server.released.is_set():
            handler.wfile.write(piece)

    server.script = [streams(b"", then=flood)]

    error = failure(server, max_tokens=10, attempts=1, timeout_s=60.0)

    assert "sent more than 1 MiB" in error.problem


def test_an_error_page_without_end_is_read_as_far_as_it_is_of_use(server: ScriptedServer) -> None:
    def flood(handler: Any) -> None:
        handler.send_response(400)
        handler.end_headers()
        while not handler.server.released.is_set():
            handler.wfile.write(b"no " * 10_000)

    server.script = [flood]

    assert "no no no" in failure(server, timeout_s=60.0).problem


def test_a_refusal_that_is_streamed(server: ScriptedServer) -> None:
    body = events({"error": {"message": "Error processing stream start", "type": "internal_server_error"}})
    server.script = [sends(500, body)]

    error = failure(server, attempts=1)

    assert "(500): Error processing stream start" in error.problem


def test_a_refused_temperature_is_left_out_and_said(server: ScriptedServer) -> None:
    server.script = [refuses(400, "Unsupported value: 'temperature' does not support 0.5"), answers()]

    with client(server, temperature=0.5) as asked:
        first, second = asked.complete("one"), asked.complete("two")

    assert ["temperature" in request for request in server.requests] == [True, False, False]
    assert "no temperature" in first.notes[0]
    assert second.notes == ()


def test_what_one_model_refuses_another_is_still_sent(server: ScriptedServer) -> None:
    server.script = [refuses(400, "'max_tokens' is not supported: use 'max_completion_tokens'"), answers()]

    with client(server, models={"old": 1.0, "new": 1.0}, model="") as asked:
        asked.complete("one", model="new")
        asked.complete("two", model="old")

    sent = [(request["model"], "max_tokens" in request) for request in server.requests]
    assert sent == [("new", True), ("new", False), ("old", True)]


def test_the_same_refusal_again_is_the_end(server: ScriptedServer) -> None:
    server.script = [refuses(400, "stream_options is unknown")]

    assert isinstance(failure(server), CallFailed)
    assert len(server.requests) == 2


def test_a_key_that_is_echoed_in_a_reply_is_not_shown(server: ScriptedServer) -> None:
    server.script = [streams(events(chunk("The key is sk-test-4f1"), chunk("d9b62c0a84e."), chunk(finish="stop")))]

    assert ask(server).text == "The key is ***."
