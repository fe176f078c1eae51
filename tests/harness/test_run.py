"""Whole invocations over recorded verdicts: first line, board, best file, exit code, resuming, Ctrl-C."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from candidates import identity
from candidates.store import RunRecord, Store
from evaluator.errors import OracleError, UsageError
from evaluator.verdict import Status, Verdict
from harness.run import command_again, execute, recorded
from harness.settings import BudgetSettings, LlmSettings, ProposerSettings, SearchSettings, Settings, StoreSettings
from tests.harness import recording
from tests.harness.recording import RecordedEvaluator, Ties, digest, entry, failed, settings, verdict

REPOSITORY = Path(__file__).resolve().parents[2]


def run(given: Settings, table: Mapping[str, Verdict]) -> tuple[int, str, RecordedEvaluator]:
    """One invocation: exit code, output, and what was evaluated."""
    out = io.StringIO()
    evaluator = RecordedEvaluator(table)
    code = execute(given, Console(file=out, width=140), opener=lambda _: cast(Any, evaluator))
    return code, out.getvalue(), evaluator


@contextmanager
def store_at(root: Path) -> Iterator[Store]:
    with Store.open("", root) as store:
        yield store


def log(root: Path) -> tuple[RunRecord, list[dict[str, Any]]]:
    """The record of the only run there, and its steps but for how long they took."""
    with store_at(root) as store:
        (record,) = store.runs()
        return record, [entry(step) for step in store.steps(record.id)]


def faster(root: Path) -> dict[str, Verdict]:
    """Recorded times by which the third candidate of an undisturbed search is a fifth faster than all others."""
    table: dict[str, Verdict] = Ties(verdict(ms=1.0))
    code, _, probe = run(settings(root / "probe"), table)
    assert code == 0
    return Ties(verdict(ms=1.0), {probe.asked[2]: verdict(ms=0.8)})


def test_a_course_that_no_run_can_take_is_refused_before_anything_runs(tmp_path: Path) -> None:
    given = settings(tmp_path, stages=("finetune", "repair"))

    with pytest.raises(UsageError, match="Stage repair can't be asked for"):
        execute(given, Console(file=io.StringIO()), opener=never)
    assert not list(tmp_path.iterdir())


def never(_: Settings) -> Any:
    raise AssertionError("nothing was to be opened")


def test_a_measured_run_ends_with_the_board_and_the_path_of_the_best(tmp_path: Path) -> None:
    table = faster(tmp_path)
    code, said, recorded = run(settings(tmp_path), table)
    lines = said.splitlines()
    assert code == 0
    assert lines[0].startswith("proposer: rules")
    best = tmp_path / "best" / "scale-rtx4090.py"
    assert lines[-1] == f"best: {best}"
    assert identity.digest(best.read_text()) == recorded.asked[2]
    assert "0.8000" in said
    assert log(tmp_path)[0].state == "finished"


def test_a_run_without_a_gpu_nominates_and_says_that_nothing_was_measured(tmp_path: Path) -> None:
    code, said, _ = run(settings(tmp_path, device=""), Ties(verdict()))
    assert code == 0
    assert said.splitlines()[-1] == f"nominated, unmeasured: {tmp_path / 'nominated' / 'scale-rtx4090.py'}"
    assert "nothing says yet which one is faster" in said
    assert not (tmp_path / "best").exists()


def test_a_finished_run_prints_its_board_at_once(tmp_path: Path) -> None:
    run(settings(tmp_path, device=""), Ties(verdict()))
    before = log(tmp_path)
    code, said, recorded = run(settings(tmp_path, device=""), Ties(verdict()))
    assert (code, recorded.asked) == (0, [])
    assert "is finished" in said
    assert said.splitlines()[-1].startswith("nominated, unmeasured: ")
    assert log(tmp_path) == before


def test_fresh_begins_anew(tmp_path: Path) -> None:
    run(settings(tmp_path, device=""), Ties(verdict()))
    run(settings(tmp_path, device="", fresh=True), Ties(verdict()))
    with store_at(tmp_path) as store:
        first, second = store.runs()
        assert len(store.steps(first.id)) == len(store.steps(second.id)) > 1


def test_a_raised_budget_goes_on_where_the_run_stopped(tmp_path: Path) -> None:
    run(settings(tmp_path / "whole", device=""), Ties(verdict()))
    small = BudgetSettings(usd=None, evaluations=2)
    code, said, _ = run(settings(tmp_path, device="", budget=small), Ties(verdict()))
    assert code == 0
    assert "budget.evaluations is used up" in said
    assert log(tmp_path)[0].state == "interrupted"
    _, _, again = run(settings(tmp_path, device="", budget=small), Ties(verdict()))
    assert again.asked == []
    run(settings(tmp_path, device=""), Ties(verdict()))
    assert log(tmp_path)[0].state == "finished"
    assert log(tmp_path)[1] == log(tmp_path / "whole")[1]


def test_nothing_verified_is_exit_code_1_and_the_reason_is_said(tmp_path: Path) -> None:
    table = {digest(0): failed(Status.WRONG_OUTPUT, "3 of 64 values differ")}
    code, said, _ = run(settings(tmp_path), table)
    assert code == 1
    assert "the starting point failed: 3 of 64 values differ" in said
    assert "1 wrong_output" in said


def test_no_password_of_a_url_is_kept_with_the_run(tmp_path: Path) -> None:
    llm = LlmSettings(base_url="https://someone:hunter2@models.example/v1")
    run(settings(tmp_path, device="", llm=llm), Ties(verdict()))
    kept = log(tmp_path)[0].settings
    assert "models.example" in kept["llm"]["base_url"]
    assert "hunter2" not in str(kept)


def test_without_a_start_the_rules_are_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no starting candidate"):
        run(settings(tmp_path, task=recording.task(start="")), {})
    assert not (tmp_path / "harness.db").exists()


def test_a_failing_machine_interrupts_the_run_and_what_was_found_is_shown(tmp_path: Path) -> None:
    table = Ties(failed(Status.INFRA_ERROR, "the oracle died"), {digest(0): verdict()})
    out = io.StringIO()
    with pytest.raises(OracleError, match="the oracle died"):
        execute(
            settings(tmp_path, device=""),
            Console(file=out, width=140),
            opener=lambda _: cast(Any, RecordedEvaluator(table)),
        )
    assert "unmeasured, and nothing was nominated instead: " in out.getvalue()
    record, _ = log(tmp_path)
    assert (record.state, "the oracle died" in record.reason) == ("interrupted", True)


def test_a_recording_repeats_a_run_and_goes_on_after_an_interruption(tmp_path: Path) -> None:
    table = faster(tmp_path)
    run(settings(tmp_path), table)
    original, steps = log(tmp_path)

    def replayed(key: str, *budgets: BudgetSettings) -> list[tuple[str, str]]:
        recorded = ProposerSettings(kind="recorded", run=original.id)
        for budget in budgets:
            run(settings(tmp_path, key=key * 64, proposer=recorded, budget=budget), table)
        with store_at(tmp_path) as store:
            record = next(record for record in store.runs() if record.key == key * 64)
            assert record.state == "finished"
            return [(step.candidate, step.decision) for step in store.steps(record.id)]

    whole = BudgetSettings(usd=None)
    told = [(step["candidate"], step["decision"]) for step in steps]
    assert replayed("b", whole) == told
    assert replayed("c", BudgetSettings(usd=None, evaluations=3), whole) == told


def test_a_worse_run_leaves_the_best_file_alone(tmp_path: Path) -> None:
    table = faster(tmp_path)
    run(settings(tmp_path), table)
    best = tmp_path / "best" / "scale-rtx4090.py"
    before = best.read_text()
    none = SearchSettings(rounds=0)
    _, said, _ = run(settings(tmp_path, search=none, key="d" * 64), table)
    assert best.read_text() == before
    assert "An earlier run's" in said
    assert said.splitlines()[-1] == f"best: {best}"


@pytest.mark.parametrize(
    ("words", "again"),
    [
        (["run", "stage=finetune", "fresh=true"], "harness run stage=finetune"),
        (["run", "task=a b.py"], "harness run 'task=a b.py'"),
        (["run", "llm.base_url=https://me:hunter2@example.org/v1"], "the same command, without fresh=true"),
        ([], "the same command, without fresh=true"),
    ],
)
def test_how_to_go_on(words: list[str], again: str) -> None:
    assert command_again(words) == again


# Ctrl-C, in a process of its own.


@contextmanager
def process(root: Path, waits_at: int) -> Iterator[subprocess.Popen[str]]:
    """A run that has reached the evaluation it waits in."""
    command = [sys.executable, "-m", "tests.harness.interruptible", str(root), str(waits_at)]
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as child:
        try:
            assert child.stdout is not None
            for line in child.stdout:
                if "READY" in line:
                    break
            yield child
        finally:
            child.kill()


def heard(child: subprocess.Popen[str]) -> None:
    """Read until the run says that it has taken note of the signal."""
    assert child.stdout is not None
    assert any("finishing and saving what is in flight" in line for line in child.stdout)


def test_ctrl_c_once_finishes_saves_reports_and_the_same_command_goes_on(tmp_path: Path) -> None:
    run(settings(tmp_path / "whole", device=""), Ties(verdict()))
    with process(tmp_path, waits_at=2) as child:
        child.send_signal(signal.SIGINT)
        heard(child)
        said, _ = child.communicate("\n")
        assert child.returncode == 0
    record, steps = log(tmp_path)
    assert (record.state, record.reason, len(steps)) == ("interrupted", "interrupted", 3)
    assert "go on with: " in said
    assert said.splitlines()[-1].startswith("nominated, unmeasured: ")
    _, again, _ = run(settings(tmp_path, device=""), Ties(verdict()))
    assert "going on after 3 steps" in again
    assert log(tmp_path)[1] == log(tmp_path / "whole")[1]


def test_ctrl_c_twice_stops_at_once_and_loses_only_what_was_in_flight(tmp_path: Path) -> None:
    run(settings(tmp_path / "whole", device=""), Ties(verdict()))
    with process(tmp_path, waits_at=2) as child:
        child.send_signal(signal.SIGINT)
        heard(child)
        child.send_signal(signal.SIGINT)
        child.communicate()
        assert child.returncode == 130
    record, steps = log(tmp_path)
    assert (record.state, len(steps)) == ("interrupted", 2)
    run(settings(tmp_path, device=""), Ties(verdict()))
    assert log(tmp_path)[1] == log(tmp_path / "whole")[1]


def test_where_the_store_is_is_not_kept_with_a_run(tmp_path: Path) -> None:
    url = "postgresql://me:hunter2@host/db?password=hunter3"
    kept = recorded(settings(tmp_path, store=StoreSettings(tmp_path, url)))
    assert "hunter" not in str(kept)
    assert kept["task"]["name"] == "scale"
