"""Prompts that are too long for a model, and replies that must not be evaluated."""

from collections.abc import Callable, Collection
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from evaluator.verdict import Status, Verdict
from harness.llm.client import ModelClient
from harness.proposers.base import Context, Failure, Proposal
from harness.proposers.llm import LlmProposer
from harness.search.base import Plan
from harness.settings import LlmSettings
from prompts.parts import OPTIONAL
from tests.harness.llm.serving import ScriptedServer, answers, refuses
from tests.harness.proposers.conftest import stage
from tests.harness.proposers.sources import PLAIN

Make = Callable[..., Context]
SHOWN = [part for part in OPTIONAL if part != "counters"]  # a part that there is nothing for


def write(context: Context, omit: Collection[str] = (), analyse: bool = False) -> str:
    """A prompt of a hundred characters for each part."""
    shown = [f"{part:.<100}" for part in SHOWN if part not in omit]
    return "".join([f"{'Analyse.' if analyse else 'Write.':.<100}", *shown])


class Room:
    """Answers what fits."""

    def __init__(self, characters: int, **changes: Any) -> None:
        self.characters = characters
        self.answer = answers("It is new.\n```python\nimport torch\n```", **changes)

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        server = handler.server
        assert isinstance(server, ScriptedServer)
        (message,) = server.requests[-1]["messages"]
        if len(message["content"]) > self.characters:
            refuses(400, "This model's maximum context length is exceeded", code="context_length_exceeded")(handler)
        else:
            self.answer(handler)


def propose(server: ScriptedServer, context: Context, **settings: Any) -> Proposal:
    chosen = LlmSettings(**{"model": "m", "base_url": server.url} | settings)
    with ModelClient(chosen, {}) as client:
        proposal = LlmProposer(client, write).propose(context)
    assert proposal is not None
    return proposal


def test_parts_are_left_out_in_their_order_until_it_fits_and_that_is_said(
    server: ScriptedServer, context: Make
) -> None:
    server.script = [Room(100 * (len(SHOWN) - 1))]

    proposal = propose(server, context(PLAIN, stage()))

    assert proposal.prompt == write(context(PLAIN, stage()), SHOWN[:2])
    assert proposal.problem == ""
    assert proposal.note == f"left out of the prompt, which was too long: {SHOWN[0]}, {SHOWN[1]}"
    assert len(server.requests) == 3


def test_a_prompt_that_never_fits_fails_the_proposal_and_not_the_run(server: ScriptedServer, context: Make) -> None:
    server.script = [Room(50)]

    proposal = propose(server, context(PLAIN, stage()))

    assert len(server.requests) == 1 + len(SHOWN)
    assert "too long for m" in proposal.problem
    assert "longer context" in proposal.problem
    assert (proposal.reply, proposal.source) == (None, None)
    assert proposal.prompt == write(context(PLAIN, stage()), OPTIONAL)


def test_an_analysis_is_fitted_as_well(server: ScriptedServer, context: Make) -> None:
    server.script = [Room(100 * len(SHOWN))]
    verdict = Verdict(status=Status.COMPILE_ERROR, reason="no", task="t", device="rtx4090")

    proposal = propose(server, replace(context(PLAIN, stage()), failure=Failure(PLAIN, verdict)))

    assert proposal.analysis is not None
    assert proposal.analysis.prompt == write(context(PLAIN, stage()), SHOWN[:1], True)
    assert proposal.note == f"left out of the prompt, which was too long: {SHOWN[0]}"  # said once of both


def test_the_plan_names_the_model_and_the_sample(server: ScriptedServer, context: Make) -> None:
    server.script = [Room(10_000)]

    made = context(PLAIN, stage(), plan=Plan(model="b", sample=3))
    propose(server, made, model="", models={"a": 1.0, "b": 1.0})

    assert server.requests[0]["model"] == "b"


@pytest.mark.parametrize(("reason", "said"), [("length", "cut off"), ("content_filter", "withheld")])
def test_what_is_not_whole_is_not_evaluated(server: ScriptedServer, context: Make, reason: str, said: str) -> None:
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": f"```\n{PLAIN}```"}}
    server.script = [answers(choices=[choice])]

    proposal = propose(server, context(PLAIN, stage()), continue_truncated=False)

    assert said in proposal.problem
    assert proposal.reply
