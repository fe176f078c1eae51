"""`harness replay`: evaluate saved candidates again on this machine, and say what changed since."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from candidates import board
from candidates.store import Store, StoredVerdict
from candidates.text import neutralise
from evaluator import triton_api
from evaluator.errors import MachineError, UsageError
from evaluator.verdict import Verdict
from harness import archive, arguments, terminal
from harness.calibration import open_evaluator
from harness.commands.evaluate import exit_code
from harness.config import load
from harness.evaluation import Judge
from harness.reports import verdict as reports
from harness.resolution import with_task
from harness.settings import Settings


@dataclass(frozen=True)
class Change:
    """One candidate before and now. `within` is None unless it was measured both times on the same kind of device."""

    digest: str
    before: Verdict
    after: Verdict

    @property
    def within(self) -> bool | None:
        """Whether the two 95 % intervals of the time overlap."""
        old, new = self.before.time, self.after.time
        if old is None or new is None or self.before.device != self.after.device:
            return None
        return old.low_ms <= new.high_ms and new.low_ms <= old.high_ms


def main(words: Sequence[str], debug: bool) -> int:
    """Replay what was named; the worst exit code of all."""
    parser = arguments.parser("replay")
    parser.add_argument("ids", nargs="*", metavar="ID", help="beginnings of candidates' IDs")
    parser.add_argument("--best", action="store_true", help="the first of every board")
    parser.add_argument("--run", default="", metavar="R", help="everything that a run evaluated")
    parser.add_argument("--pending", action="store_true", help="what was verified without a GPU and never measured")
    given, overrides = arguments.parse(parser, words)
    if not (given.ids or given.best or given.run or given.pending):
        raise UsageError("Nothing to replay was named.", "Name IDs, or use --best, --run R or --pending.")
    settings = load(overrides)
    if given.pending and not settings.device:
        raise MachineError("There is no GPU here to measure pending candidates on.", "harness doctor says why.")
    with archive.open_existing(settings.store) as store:
        chosen = list(dict.fromkeys(choose(store, given)))
        changes = list(replay(store, settings, [found for each in chosen for found in latest(store, *each)]))
    if given.json:
        terminal.print_json([as_json(change) for change in changes])
    else:
        print_changes(changes, terminal.stdout())
    return max((exit_code(change.after) for change in changes), default=0)


def choose(store: Store, given: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """(digest, task name) of what is to be replayed; an empty task name means all tasks that it was evaluated on."""
    for prefix in given.ids:
        yield store.resolve(prefix), ""
    rows = board.rows(store) if given.best or given.pending else ()
    measured = {(row.id, row.task) for row in rows if row.measured}
    for row in rows:
        pending = given.pending and row.status == "verified" and (row.id, row.task) not in measured
        if pending or (given.best and row.rank == 1):
            yield store.resolve(row.id), row.task
    if given.run:
        for step in store.steps(store.run(given.run).id):
            if step.candidate and step.verdict is not None:
                yield step.candidate, step.verdict.task


def latest(store: Store, digest: str, task: str) -> list[StoredVerdict]:
    """For each task, what is known best about the candidate."""
    found = [each for each in store.verdicts(digest) if task in ("", each.task_name)]
    tasks = dict.fromkeys(each.task_digest for each in found)
    best = (archive.best_verdict(tuple(each for each in found if each.task_digest == name)) for name in tasks)
    return [each for each in best if each is not None]


def replay(store: Store, settings: Settings, chosen: Sequence[StoredVerdict]) -> Iterator[Change]:
    """Evaluate each again, and store what was found."""
    if not chosen:
        return
    api = triton_api.names()
    messages = terminal.stderr()
    with (
        open_evaluator(settings) as evaluator,
        messages.status("starting") as status,
    ):
        for number, found in enumerate(chosen, 1):
            judge = Judge(with_task(settings, archive.stored_task(store, found)), store, evaluator, api)
            head = f"{number} of {len(chosen)}: {found.digest[:12]} on {found.task_name}"
            # Compared is what was found under the same conditions, if anything was.
            before = store.verdict(found.digest, found.task_digest, judge.fingerprint) or found.verdict
            judged = judge.judge(
                store.source(found.digest),
                fresh=True,
                progress=lambda doing, head=head: status.update(Text(f"{head}: {doing}")),  # type: ignore[misc]
            )
            yield Change(found.digest, before, judged.verdict)


def as_json(change: Change) -> dict[str, Any]:
    """One entry of `replay --json`."""
    return {
        "id": change.digest,
        "task": change.after.task,
        "status_changed": change.before.status is not change.after.status,
        "within_interval": change.within,
        "before": reports.as_json(change.before, change.digest),
        "after": reports.as_json(change.after, change.digest),
    }


def print_changes(changes: Sequence[Change], console: Console) -> None:
    """A line or two for each candidate, and a sum."""
    for change in changes:
        same = change.before.status is change.after.status
        status = str(change.after.status) if same else f"{change.before.status} -> {change.after.status}"
        style = "green" if change.after.status == "verified" else "red"
        console.print(Text(f"{change.digest[:12]}  {neutralise(change.after.task)}: {status}", style=style))
        for line in described(change):
            console.print(Text(neutralise(f"              {line}")), soft_wrap=True)
    verified = sum(change.after.status == "verified" for change in changes)
    console.print(f"{len(changes)} replayed, {verified} verified" if changes else "There is nothing to replay.")


def described(change: Change) -> Iterator[str]:
    """What is worth saying beside the status."""
    if change.after.reason:
        yield change.after.reason
    if change.before.device != change.after.device:
        yield f"on {change.after.device}; before on {change.before.device}"
    old, new = change.before.time, change.after.time
    if new and old:
        shift = f"{new.median_ms / old.median_ms - 1:+.2%}"
        word = {True: "within its interval", False: "outside of its interval", None: "not comparable"}[change.within]
        yield (
            f"{new.median_ms:.4g} ms ({new.low_ms:.4g} to {new.high_ms:.4g}), "
            f"before {old.median_ms:.4g} ms ({old.low_ms:.4g} to {old.high_ms:.4g}): {shift}, {word}"
        )
    elif new:
        yield f"{new.median_ms:.4g} ms ({new.low_ms:.4g} to {new.high_ms:.4g}), measured for the first time"
    elif change.after.status == "verified":
        yield "unmeasured: there is no GPU here"
