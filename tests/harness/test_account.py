"""What a run took, stage by stage."""

import io

from rich.console import Console

from candidates.store import Ask, Use
from harness.reports.account import by_stage, idle_share, print_account
from harness.state import State
from tests.harness.test_state import START, step


def state() -> State:
    lost = Ask(number=2, after=3, stage="memory", visit=1, lost=Use(usd=0.5, tokens=7, calls=1))
    asks = [Ask(number=0, after=1, stage="finetune"), Ask(number=1, after=2, stage="memory", visit=1), lost]
    paid = {"usd": 0.25, "prompt_tokens": 1000, "completion_tokens": 200, "calls": 1}
    busy = {"seconds": 60.0, "evaluation_seconds": 45.0, "gpu_seconds": 45.0}
    steps = [
        START.model_copy(update={"seconds": 60.0, "evaluation_seconds": 30.0, "gpu_seconds": 30.0}),
        step(1, "proposal", "kept", "a", ticket=0, **paid, **busy),
        step(2, "proposal", "kept", "b", stage="memory", ticket=1, **paid, **busy),
    ]
    return State.from_log(steps, asks)


def test_each_stage_has_its_own_account_with_what_was_lost() -> None:
    used = by_stage(state())
    assert list(used) == ["start", "finetune", "memory"]
    assert (used["memory"].usd, used["memory"].tokens, used["memory"].calls) == (0.75, 1207, 2)
    assert used["finetune"].gpu_seconds == 45.0


def test_the_idle_share_is_what_the_evaluator_did_not_use_of_the_time() -> None:
    assert idle_share(state().steps) == 1 - 120 / 180
    assert idle_share([]) is None


def test_the_account_is_a_table_with_a_sum() -> None:
    out = io.StringIO()
    print_account(state(), True, Console(file=out, width=100))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert lines[0] == "stage minutes evaluations GPU s calls tokens cost"
    assert lines[2] == "finetune 1.0 1 45.0 1 1,200 $0.2500"
    assert lines[4] == "all 3.0 3 120.0 3 2,407 $1.0000"
    assert lines[5] == "the evaluator was idle 33% of 3.0 minutes"
