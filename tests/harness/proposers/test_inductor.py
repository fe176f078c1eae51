"""The inductor proposer: one draft, then the rules."""

from dataclasses import replace
from typing import Any

import pytest

from candidates.identity import digest
from evaluator.generation import NO_GPU, Generation
from evaluator.tasks import Task
from evaluator.verdict import Status, Verdict
from harness.proposers.base import Attempt, Context, Failure
from harness.proposers.inductor import CHANGE, InductorProposer
from tests.candidates.inductor.recordings import generation, task
from tests.harness.proposers.conftest import RTX_4090, kernel, stage
from tests.harness.proposers.sources import PLAIN

WARPS = stage(num_warps=(2, 4, 8))
VERIFIED = Verdict(status=Status.VERIFIED, task="softmax", device="cuda", kernels=(kernel("scale_kernel"),))


class Asked:
    """Answers with what was recorded, and counts."""

    def __init__(self, made: Generation) -> None:
        self.made = made
        self.times = 0

    def __call__(self, asked: Task) -> Generation:
        self.times += 1
        assert asked.name == "softmax"
        return self.made


def context(source: str = PLAIN, **more: Any) -> Context:
    known = {"digest": digest(source), "seen": frozenset({digest(source)}), "verdict": VERIFIED} | more
    return Context(task("softmax"), RTX_4090, more.pop("stage", WARPS), 1, source=source, **known)


def test_the_first_proposal_is_what_torch_compile_generates() -> None:
    asked = Asked(generation("softmax"))
    proposal = InductorProposer(asked).propose(context())
    assert proposal is not None
    assert (proposal.proposer, proposal.change, proposal.problem) == ("inductor", CHANGE, "")
    assert "def softmax_kernel(" in (proposal.source or "")
    assert asked.times == 1


def test_then_the_rules_go_on_with_whatever_is_current() -> None:
    proposer = InductorProposer(Asked(generation("softmax")))
    draft = proposer.propose(context())
    assert draft is not None
    assert draft.source is not None
    tried = Attempt(digest(draft.source), CHANGE, VERIFIED, kept=True)
    kernels = (kernel("softmax_kernel", num_warps=32, num_stages=1),)
    current = context(draft.source, history=(tried,), verdict=VERIFIED.model_copy(update={"kernels": kernels}))
    proposal = proposer.propose(current)
    assert proposal is not None
    assert proposal.proposer == "rules"
    assert proposal.change.startswith("num_warps 32 ->")
    assert "num_warps=32" not in (proposal.source or "")


def test_a_run_that_goes_on_asks_for_no_second_draft() -> None:
    asked = Asked(generation("softmax"))
    proposal = InductorProposer(asked).propose(context(history=(Attempt("", CHANGE, VERIFIED, kept=False),)))
    assert proposal is not None
    assert proposal.proposer == "rules"
    assert asked.times == 0


def test_a_draft_that_was_tried_already_is_passed_by() -> None:
    asked = Asked(generation("softmax"))
    draft = InductorProposer(asked).propose(context())
    assert draft is not None
    assert draft.source is not None
    again = context()
    proposal = InductorProposer(asked).propose(replace(again, seen=again.seen | {digest(draft.source)}))
    assert proposal is not None
    assert proposal.proposer == "rules"


def test_where_nothing_is_generated_the_reason_is_told_once() -> None:
    asked = Asked(Generation(reason=NO_GPU))
    proposal = InductorProposer(asked).propose(context())
    assert proposal is not None
    assert proposal.source is None
    assert proposal.problem == f"No draft from torch.compile: {NO_GPU}."


def test_it_drafts_and_repairs_nothing() -> None:
    proposer = InductorProposer(Asked(generation("softmax")))
    assert proposer.why_not(stage(template="draft")) == ""
    assert "does not repair" in proposer.why_not(stage(template="repair"))
    broken = context(failure=Failure(PLAIN, VERIFIED.model_copy(update={"status": Status.WRONG_OUTPUT, "reason": "w"})))
    assert proposer.propose(broken) is None
    assert "does not repair" in proposer.reason


@pytest.mark.parametrize("name", ["draft", "finetune"])
def test_a_task_without_a_start_is_drafted(name: str) -> None:
    empty = Context(task("softmax"), RTX_4090, stage(template="draft" if name == "draft" else "optimize"), 1)
    proposal = InductorProposer(Asked(generation("softmax"))).propose(empty)
    assert proposal is not None
    assert proposal.source is not None
