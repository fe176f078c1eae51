"""A beam on a real GPU: fitness that was made of ratios has to agree with the times, as far as sessions allow."""

from pathlib import Path

import pytest

from candidates.store import Store
from harness import config
from harness.engine import views
from harness.search.behaviour import MEASURED
from harness.state import State
from tests.harness.shell import harness

pytestmark = [pytest.mark.gpu, pytest.mark.slow]
WORDS = ["task=softmax", "proposer=rules", "search=beam", "search.width=2", "search.rounds=6", "search.patience=6"]


def test_a_beam_on_softmax_ranks_as_its_times_do(tmp_path: Path) -> None:
    done = harness("run", *WORDS, folder=tmp_path, environment={"HARNESS_HOME": str(tmp_path / "runs")})
    assert done.returncode == 0, done.stderr
    settings = config.load([*WORDS, f"store.root={tmp_path / 'runs'}"])
    with Store.open("", tmp_path / "runs") as store:
        (run,) = store.runs()
        state = State.from_log(store.steps(run.id), store.asks(run.id))
    members = views.view(state, settings.stages[0], True, settings).members
    assert len(members) > 2
    assert all(member.fitness[0] == MEASURED for member in members)
    unit = next(member for member in members if member.digest == state.steps[0].candidate)
    for member in members:
        start, now = (state.verdicts[digest].time for digest in (unit.digest, member.digest))
        assert start is not None
        assert now is not None
        by_time = start.median_ms / now.median_ms
        assert member.fitness[1] / unit.fitness[1] == pytest.approx(by_time, rel=0.1)  # what clocks drift by, and more
    assert len({ask.parent for ask in state.asks}) > 1
