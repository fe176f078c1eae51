from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from candidates.store import RunRecord
from evaluator.errors import ModelError, UsageError
from evaluator.verdict import Status, Verdict
from harness.proposers.base import Context, Failure
from harness.proposers.recorded import RecordedProposer, RecordedStep, departures
from harness.run import recorded
from harness.settings import SearchSettings
from tests.harness.proposers.conftest import stage
from tests.harness.proposers.sources import PLAIN
from tests.harness.recording import settings

Make = Callable[..., Context]
FAILURE = Failure(PLAIN, Verdict(status=Status.COMPILE_ERROR, task="t", device="rtx4090"))


def replay(steps: list[RecordedStep], *contexts: Context) -> list[str | None]:
    proposer = RecordedProposer(steps)
    return [proposal.reply if (proposal := proposer.propose(made)) else None for made in contexts]


def test_steps_come_in_order_and_end(context: Make) -> None:
    made = context(PLAIN, stage())
    steps = [RecordedStep(prompt="p1", reply="one", change="c", model="m"), RecordedStep(reply="two")]

    proposer = RecordedProposer(steps)
    first = proposer.propose(made)

    assert first is not None
    assert (first.prompt, first.reply, first.change, first.model, first.proposer) == ("p1", "one", "c", "m", "recorded")
    assert first.cost.usd == 0.0
    assert first.cost.calls == 0
    assert replay(steps, made, made, made) == ["one", "two", None]


def test_code_without_a_reply(context: Make) -> None:
    proposal = RecordedProposer([RecordedStep(source=PLAIN)]).propose(context(PLAIN, stage()))

    assert proposal is not None
    assert proposal.source == PLAIN
    assert proposal.reply is None


def test_a_step_with_neither(context: Make) -> None:
    with pytest.raises(ModelError, match="Step 1 of the recording"):
        RecordedProposer([RecordedStep()]).propose(context(PLAIN, stage()))


def test_a_repair_is_replayed_only_where_it_is_asked_for(context: Make) -> None:
    made = context(PLAIN, stage())
    broken = replace(made, failure=FAILURE)
    steps = [RecordedStep(reply="one"), RecordedStep(reply="fix", repair=True), RecordedStep(reply="two")]

    assert replay(steps, made, broken, made) == ["one", "fix", "two"]
    assert replay(steps, made, made, made) == ["one", "two", None]
    assert replay(steps, made, broken, broken, made) == ["one", "fix", None, "two"]


def test_steps_of_a_stage_that_is_over_are_passed_by(context: Make) -> None:
    first, second = stage(), stage().model_copy(update={"name": "memory"})
    steps = [RecordedStep(reply=str(i), stage="finetune") for i in range(3)] + [RecordedStep(reply="m", stage="memory")]

    assert replay(steps, context(PLAIN, first), context(PLAIN, second), context(PLAIN, second)) == ["0", "m", None]


def test_why_not(context: Make) -> None:
    proposer = RecordedProposer([RecordedStep(reply="m", stage="memory")])

    assert "finetune" in proposer.why_not(stage())
    assert proposer.why_not(stage().model_copy(update={"name": "memory"})) == ""


def test_what_came_with_a_problem_is_proposed_with_it(context: Callable[..., Context]) -> None:
    steps = (
        RecordedStep(reply=PLAIN, problem="The reply was cut off at its length limit."),
        RecordedStep(problem="The prompt is too long for the model."),
    )
    proposer = RecordedProposer(steps)
    asked = context(PLAIN, stage())

    cut, lost = proposer.propose(asked), proposer.propose(asked)

    assert cut is not None
    assert lost is not None
    assert (cut.reply, cut.problem) == (PLAIN, steps[0].problem)
    assert (lost.reply, lost.problem) == (None, steps[1].problem)


def test_what_the_recorded_run_was_asked_for_is_compared(tmp_path: Path) -> None:
    then = settings(tmp_path, stages=("grid", "memory"), search=SearchSettings(rounds=20))
    record = RunRecord(id="1a2b3c4d", key="k", state="finished", settings=recorded(then), created=datetime.now(UTC))

    assert departures(record, then) == []
    assert departures(record, settings(tmp_path, search=SearchSettings(rounds=8))) == [
        "stage=grid,memory",
        "search.rounds=20",
    ]
    other = then.task.model_copy(update={"reference": "class Model: pass", "name": "another"})
    with pytest.raises(UsageError, match="Run 1a2b3c4d is about the task scale, not another"):
        departures(record, then.model_copy(update={"task": other}))
