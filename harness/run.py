"""`harness run`: open what a run needs, search, and end with the board and the path of the best kernel."""

import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from candidates import board
from candidates.board import Row
from candidates.store import RunRecord, Store
from candidates.text import neutralise
from evaluator import triton_api
from evaluator.errors import HarnessError, UsageError
from evaluator.generation import NO_GPU
from evaluator.service import Evaluator
from harness import calibration, terminal
from harness.course import require_a_course
from harness.evaluation import Judge
from harness.interruption import Interruption
from harness.llm.address import redact_url
from harness.llm.budget import limits
from harness.llm.prices import snapshot
from harness.loop import Ending, Loop
from harness.progress import choose, one_line
from harness.proposers import select
from harness.proposers.recorded import departures
from harness.reports import best
from harness.reports.account import print_account
from harness.reports.board import print_board
from harness.settings import Settings
from harness.state import State

VERIFIED, NOTHING_VERIFIED = 0, 1
BOARD_ROWS = 12  # of other runs' candidates there may be many more: `harness leaderboard` shows them all


Opener = Callable[[Settings], AbstractContextManager[Evaluator]]


def open_evaluator(settings: Settings) -> Evaluator:
    """The evaluator for the target of these settings, on their device."""
    return calibration.open_evaluator(settings)


def execute(settings: Settings, console: Console | None = None, opener: Opener = open_evaluator) -> int:
    """Do one run, or go on with it, and report.

    Args:
        console: where to report; the terminal, or a pipe, if None.
        opener: what evaluates; one that answers from recorded verdicts is as good.

    Returns:
        0 if at least one candidate of this run verified, else 1.

    Raises:
        UsageError: there is nothing to start from and nobody who could write it.
        HarnessError: the machine, the model's server or the store failed. What was found is saved, and shown before.
        KeyboardInterrupt: the person asked twice to stop.
    """
    console = console or terminal.stdout()
    _say(console, select.announce(settings))
    if settings.note:
        _say(console, settings.note)
    require_a_beginning(settings)
    require_a_course(settings)
    with Store.open(settings.store.url, settings.store.root) as store:
        if settings.proposer.kind == "recorded":
            _say_departures(settings, store, console)
        run = store.open_run(settings.key, recorded(settings), fresh=settings.fresh)
        try:
            ending = resume(settings, store, run, console, opener)
        except HarnessError:
            if store.steps(run.id):
                report(settings, store, run, console)
            raise
        _say(console, closing_line(ending, run))
        return report(settings, store, run, console)


def _say_departures(settings: Settings, store: Store, console: Console) -> None:
    """What keeps a replay from deciding as the recorded run did, before anything is done."""
    if found := departures(store.run(settings.proposer.run), settings):
        _say(console, f"the recorded run was asked for otherwise; for the same decisions add: {' '.join(found)}")


def recorded(settings: Settings) -> dict[str, Any]:
    """The settings as they are kept with the run, with today's prices.

    Without what a URL may say about its user, and without the place of the store: it may hold a password, and a store
    is carried elsewhere.
    """
    plain = settings.model_dump(mode="json", exclude={"store"})
    if settings.proposer.kind == "llm":
        plain["prices"] = snapshot(settings.llm)
    if settings.llm.base_url:
        plain["llm"]["base_url"] = redact_url(settings.llm.base_url)
    return plain


def require_a_beginning(settings: Settings) -> None:
    """Refuse a run that could only end with nothing.

    Raises:
        UsageError: the task has no starting candidate and the proposer can't write one, or not on this machine.
    """
    if settings.proposer.kind == "inductor" and not settings.device:
        raise UsageError(
            f"proposer=inductor can do nothing: {NO_GPU}.",
            "Use proposer=rules to tune a starting candidate here, or run this on the machine that has the GPU.",
        )
    if not settings.task.start and settings.proposer.kind == "rules":
        raise UsageError(
            f"The task {settings.task.name} has no starting candidate, and the rules proposer can't write one.",
            "Name one with start=FILE, or let a language model draft it: proposer=llm llm.model=NAME.",
        )


def resume(settings: Settings, store: Store, run: RunRecord, console: Console, opener: Opener) -> Ending:
    """Bring the run to its end, or as far as the budget and the person allow; nothing is opened for a finished one."""
    state = State.from_log(store.steps(run.id), store.asks(run.id))
    if run.state == "finished":
        return Ending(True, run.reason)
    if spent := limits(settings.budget).exhausted(state.spent):
        return Ending(False, spent)
    _say(console, f"run {run.id}" + (f", going on after {len(state.steps)} steps" if state.steps else ""))
    store.close_run(run.id, "running", "")
    ending = Ending(False, "stopped")
    try:
        ending = search(settings, store, run, console, opener)
    except HarnessError as error:
        ending = Ending(False, error.problem)
        raise
    finally:
        # Whatever ended it, also a second Ctrl-C: the record must not say that it is still running.
        store.close_run(run.id, "finished" if ending.finished else "interrupted", ending.reason)
    return ending


def search(settings: Settings, store: Store, run: RunRecord, console: Console, opener: Opener) -> Ending:
    """The loop with everything it needs around it."""
    api = triton_api.names()
    with (
        opener(settings) as evaluator,
        select.opened(settings, store, api, lambda task: evaluator.generate(task)) as proposer,
        choose(console, settings.search.rounds) as progress,
        stoppable(progress.say) as interrupted,
    ):
        judge = Judge(settings, store, evaluator, api)
        return Loop(judge, proposer, run, progress, interrupted).run()


@contextmanager
def stoppable(tell: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Whether the person has pressed Ctrl-C. Never, outside the main thread: a launcher's jobs get no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    with Interruption(tell) as interruption:
        yield lambda: interruption.requested


def closing_line(ending: Ending, run: RunRecord) -> str:
    """How the run stands, and what the person can do next."""
    if ending.finished:
        return f"run {run.id} is finished: {one_line(ending.reason)}. fresh=true begins anew."
    again = command_again(sys.argv[1:])
    hint = f"go on with: {again}" if ending.reason == "interrupted" else "raise the bound and the run goes on"
    return f"run {run.id} stopped: {one_line(ending.reason)}; {hint}"


def command_again(words: Sequence[str]) -> str:
    """The command that goes on with a run: without `fresh`, which would begin anew, and never with a password."""
    kept = [word for word in words if not word.startswith("fresh=")]
    if not kept or any("://" in word and "@" in word for word in kept):
        return "the same command, without fresh=true"
    return shlex.join(["harness", *kept])


def report(settings: Settings, store: Store, run: RunRecord, console: Console) -> int:
    """The board of this task and device, what the run cost, and last the path of its best kernel."""
    state = State.from_log(store.steps(run.id), store.asks(run.id))
    best_verdict = state.verdicts.get(state.current)
    ranked = board.rows(store, task=settings.task.name)
    rows = tuple(row for row in ranked if best_verdict is None or row.device == best_verdict.device)
    print_board(rows[:BOARD_ROWS], board.failures(store, task=settings.task.name), console)
    if len(rows) > BOARD_ROWS:
        _say(console, f"{len(rows) - BOARD_ROWS} more: harness leaderboard --task {settings.task.name}")
    if state.steps:
        print_account(state, bool(settings.device), console)
    row = next((row for row in rows if state.current and state.current.startswith(row.id)), None)
    if row is None:
        _say(console, "There is no verified candidate yet.")
    else:
        keep_best(settings, store, state.current, row, rows, console)
    return VERIFIED if state.verified else NOTHING_VERIFIED


def keep_best(settings: Settings, store: Store, digest: str, row: Row, rows: tuple[Row, ...], console: Console) -> None:
    """Write the run's best kernel to its stable path, unless a faster one of an earlier run lies there."""
    path = best.place(settings.store.root, settings.task.name, settings.gpu.name, row.measured)
    before = best.faster_before(path, row, rows, settings.search.min_gain)
    if before is not None:
        _say(console, f"An earlier run's {before.id} is faster ({before.time_ms:.4g} ms) and stays.")
    else:
        best.write(path, store.source(digest), row)
    _say(console, f"{best.standing(row)}: {path}")


def _say(console: Console, text: str) -> None:
    console.print(Text(neutralise(text)), soft_wrap=True)
