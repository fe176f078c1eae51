from collections.abc import Callable, Collection

import pytest

from evaluator.verdict import Status, Verdict
from harness.llm.client import ModelClient
from harness.llm.faults import CallFailed
from harness.proposers.base import Context, Exchange, Failure, Metered
from harness.proposers.llm import LlmProposer, finding, summarise
from harness.settings import LlmSettings
from tests.harness.llm.serving import ScriptedServer, answers, refuses
from tests.harness.proposers.conftest import stage
from tests.harness.proposers.sources import PLAIN

REPLY = f"**Use 8 warps**. The kernel is compute-bound.\n\n```python\n{PLAIN}```\n"


def test_a_proposal_holds_what_was_sent_and_what_came_back(
    server: ScriptedServer,
    context: Callable[..., Context],
) -> None:
    choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": REPLY}}
    server.script = [answers(choices=[choice])]
    prices = {"usd_per_million_input": 1.0, "usd_per_million_output": 2.0}
    settings = LlmSettings(model="m", base_url=server.url, continue_truncated=False, **prices)

    with ModelClient(settings, {}) as client:
        proposer = LlmProposer(client, lambda context, *_, **__: f"Improve this:\n{context.source}")
        proposal = proposer.propose(context(PLAIN, stage()))

    assert proposal is not None
    assert server.requests[0]["messages"][0]["content"] == proposal.prompt == f"Improve this:\n{PLAIN}"
    assert proposal.reply == REPLY
    assert proposal.source is None
    assert "cut off" in proposal.problem
    assert proposal.change == "Use 8 warps"
    assert proposal.model == "small-model-0125"
    assert proposal.cost.calls == 1
    assert proposal.cost.usd == pytest.approx((1000 * 1.0 + 200 * 2.0) / 1e6)


def test_the_worst_case_is_above_what_a_reply_costs(
    server: ScriptedServer,
    context: Callable[..., Context],
) -> None:
    prices = {"usd_per_million_input": 1.0, "usd_per_million_output": 2.0}
    settings = LlmSettings(model="m", base_url=server.url, max_tokens=500, continue_truncated=False, **prices)

    with ModelClient(settings, {}) as client:
        proposer = LlmProposer(client, lambda context, *_, **__: "x" * 4000)
        worst = proposer.worst(context(PLAIN, stage()))

    assert isinstance(proposer, Metered)
    assert worst.calls == 1
    assert worst.tokens == 2000 + 500
    assert worst.usd == pytest.approx((2000 * 1.0 + 500 * 2.0) / 1e6)


class Written:
    """Prompts that say what they were made for."""

    def __call__(self, context: Context, omit: Collection[str] = (), analyse: bool = False) -> str:
        if context.failure is None:
            return "Propose."
        return "What is wrong?" if analyse else f"Mend it. It is: {context.failure.analysis or 'unknown'}"


BROKEN = Failure(PLAIN, Verdict(status=Status.COMPILE_ERROR, reason="no", task="t", device="rtx4090"))


def test_a_repair_is_an_analysis_and_a_fix_and_both_are_counted(
    server: ScriptedServer, context: Callable[..., Context]
) -> None:
    server.script = [answers("<think>Hm.</think>\nLine 3 is wrong."), answers(REPLY)]
    settings = LlmSettings(model="m", base_url=server.url, usd_per_million_input=1.0, usd_per_million_output=2.0)

    with ModelClient(settings, {}) as client:
        proposal = LlmProposer(client, Written()).propose(context(PLAIN, stage(), failure=BROKEN))

    assert proposal is not None
    assert proposal.analysis == Exchange("What is wrong?", "<think>Hm.</think>\nLine 3 is wrong.")
    assert (proposal.prompt, proposal.reply) == ("Mend it. It is: Line 3 is wrong.", REPLY)
    assert [sent["messages"][0]["content"] for sent in server.requests] == ["What is wrong?", proposal.prompt]
    assert proposal.cost.calls == 2
    assert (proposal.cost.prompt_tokens, proposal.cost.completion_tokens) == (2000, 400)
    assert proposal.cost.usd == pytest.approx(2 * (1000 * 1.0 + 200 * 2.0) / 1e6)


def test_an_analysis_is_paid_for_even_if_the_fix_is_refused(
    server: ScriptedServer, context: Callable[..., Context]
) -> None:
    server.script = [answers("Line 3 is wrong."), refuses(401, "no such key")]
    settings = LlmSettings(model="m", base_url=server.url, usd_per_million_input=1.0, usd_per_million_output=2.0)

    with ModelClient(settings, {}) as client, pytest.raises(CallFailed, match="401") as raised:
        LlmProposer(client, Written()).propose(context(PLAIN, stage(), failure=BROKEN))

    assert raised.value.spent.usd == pytest.approx((1000 * 1.0 + 200 * 2.0) / 1e6)
    assert raised.value.spent.tokens == 1200


def test_without_analysis_a_repair_is_one_call(server: ScriptedServer, context: Callable[..., Context]) -> None:
    server.script = [answers(REPLY)]
    settings = LlmSettings(model="m", base_url=server.url)

    with ModelClient(settings, {}) as client:
        proposal = LlmProposer(client, Written(), analysis=False).propose(context(PLAIN, stage(), failure=BROKEN))

    assert proposal is not None
    assert proposal.analysis is None
    assert proposal.prompt == "Mend it. It is: unknown"


def test_the_worst_case_of_a_repair_covers_both_calls(server: ScriptedServer, context: Callable[..., Context]) -> None:
    settings = LlmSettings(model="m", base_url=server.url, max_tokens=500, continue_truncated=False)
    failed = context(PLAIN, stage(), failure=BROKEN)

    with ModelClient(settings, {}) as client:
        worst = LlmProposer(client, Written()).worst(failed)
        single = LlmProposer(client, Written(), analysis=False).worst(failed)

    assert worst.calls == 2
    assert worst.tokens > single.tokens + 500 + 4000 / 2  # the analysis is part of the second prompt


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("<think>Hm.</think>\nLine 3.", "Line 3."),
        ("<analysis>Line 3.</analysis>", "Line 3."),
        ("Line 3.", "Line 3."),
        (" ", ""),
    ],
)
def test_a_finding_is_the_answer_or_for_want_of_one_the_reasoning(reply: str, said: str) -> None:
    assert finding(reply) == said


@pytest.mark.parametrize(
    ("reply", "change"),
    [
        ("", "model reply"),
        ("```python\nimport torch\n```", "model reply"),
        ("import torch\n\n# a comment. It says nothing\n", "model reply"),
        ("@triton.jit\ndef k(): pass", "model reply"),
        ("```python\nimport torch", "model reply"),
        ("# Analysis\n", "Analysis"),
        ("Here is the code:\n```python\nx = 1\n```\nIt uses `num_warps=8`. Enjoy!", "It uses num_warps=8"),
        ("<think>I wonder.</think>\nFewer stages.", "Fewer stages"),
        ("I wonder.</think>\nFewer stages.", "Fewer stages"),
        ("<think>I never stop", "model reply"),
        ("- raised num_warps to 8", "raised num_warps to 8"),
        ("\x1b[31mRed\x07 alert", "\\x1b[31mRed\\x07 alert"),
        ("word " * 100, ("word " * 100)[:99].rstrip() + "…"),
        ("---\n***\n12\n", "model reply"),
    ],
)
def test_the_change_is_the_first_sentence_outside_code(reply: str, change: str) -> None:
    assert summarise(reply) == change
