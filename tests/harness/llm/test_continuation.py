import pytest

from harness.llm.continuation import join
from harness.llm.faults import CallFailed
from tests.harness.llm.asking import ask, client
from tests.harness.llm.serving import ScriptedServer, chunk, events, refuses, streams

CUT = streams(
    events(chunk("import tor", "length"), chunk(choices=[], usage={"prompt_tokens": 10, "completion_tokens": 3}))
)
REST = streams(events(chunk("ch\n", "stop"), chunk(choices=[], usage={"prompt_tokens": 40, "completion_tokens": 2})))
PRICES = {"usd_per_million_input": 1.0, "usd_per_million_output": 100.0}


def test_a_reply_that_was_cut_off_is_gone_on_with_once(server: ScriptedServer) -> None:
    server.script = [CUT, REST]

    reply = ask(server, "Import torch.", **PRICES)

    assert (reply.text, reply.truncated, reply.attempts) == ("import torch\n", False, 2)
    assert (reply.prompt_tokens, reply.completion_tokens) == (50, 5)
    assert reply.usd == pytest.approx((50 * 1.0 + 5 * 100.0) / 1e6)
    assert "continued" in reply.notes[0]
    first, partial, instruction = server.requests[1]["messages"]
    assert (first["content"], partial["role"], partial["content"]) == ("Import torch.", "assistant", "import tor")
    assert "exactly where it stopped" in instruction["content"]


def test_and_only_once(server: ScriptedServer) -> None:
    server.script = [CUT]

    reply = ask(server)

    assert len(server.requests) == 2
    assert reply.truncated


def test_the_worst_case_covers_both(server: ScriptedServer) -> None:
    server.script = [CUT, REST]

    with client(server, max_tokens=100, **PRICES) as asked:
        worst, reply = asked.worst("Import torch."), asked.complete("Import torch.")

    with client(server, max_tokens=100, continue_truncated=False, **PRICES) as asked:
        once = asked.worst("Import torch.")
    assert (worst.calls, once.calls) == (2, 1)
    assert worst.tokens > 2 * once.tokens + 100  # what came first is read again
    assert worst.usd is not None
    assert reply.usd is not None
    assert worst.usd > reply.usd


def test_nothing_is_asked_on_that_could_pass_the_cap(server: ScriptedServer) -> None:
    server.script = [CUT, REST]

    with client(server, max_tokens=100, **PRICES) as asked:
        reply = asked.complete("Import torch.", cap_usd=0.0102)

    assert reply.truncated
    assert "spending cap" in reply.notes[0]
    assert len(server.requests) == 1


def test_a_full_context_leaves_it_as_it_is(server: ScriptedServer) -> None:
    server.script = [CUT, refuses(400, "This model's maximum context length is 40 tokens")]

    reply = ask(server)

    assert reply.truncated
    assert "context is full" in reply.notes[0]


def test_a_failure_while_going_on_counts_what_came_before(server: ScriptedServer) -> None:
    server.script = [CUT, refuses(401, "no")]

    with client(server, **PRICES) as asked, pytest.raises(CallFailed) as caught:
        asked.complete("Import torch.")

    assert caught.value.spent.usd == pytest.approx((10 * 1.0 + 3 * 100.0) / 1e6)
    assert caught.value.spent.calls == 2


def test_nothing_but_reasoning_is_not_gone_on_with(server: ScriptedServer) -> None:
    thought = {"index": 0, "delta": {"reasoning_content": "Hm."}, "finish_reason": "length"}
    server.script = [streams(events(chunk(choices=[thought])))]

    reply = ask(server)

    assert reply.truncated
    assert "llm.max_tokens" in reply.notes[0]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("partial", "rest", "whole"),
    [
        ("import tor", "ch\n", "import torch\n"),
        ("```python\nimport tor", "```python\nch\n```", "```python\nimport torch\n```"),
        ("```python\nx = 1\n", "```\ny = 2\n```\n", "```python\nx = 1\ny = 2\n```\n"),
        ("```python\nx = 1\n", "```\nIt works.", "```python\nx = 1\n```\nIt works."),
        ("It is:\n", "```python\nx = 1\n```", "It is:\n```python\nx = 1\n```"),
        ("    mask = offsets < n\n    x", "    mask = offsets < n\n    x = 1", "    mask = offsets < n\n    x = 1"),
        ("aa", "aa", "aaaa"),
        ("a", "", "a"),
    ],
)
def test_joining(partial: str, rest: str, whole: str) -> None:
    assert join(partial, rest) == whole
