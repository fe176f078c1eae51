"""Kills a run at random points, goes on with the same command each time, and compares what comes out.

    python -m benchmarks.kill_test [--kills 60] [--seed 0] [--json OUT.json]

A run with several asks in flight is recorded once, with replies and verdicts from a table. Then it is replayed twice:
undisturbed, and in processes that are killed with SIGKILL after random times, until so many were; a run that comes to
its end before is checked and another one begun. Board, failures, log and spending must be those of the undisturbed run.
Where each kill fell is read from a byte that the killed process shared. A life begins with a fork of this process, so
that it costs no imports.
"""

import argparse
import json
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from candidates import advice, board
from candidates.store import Store
from evaluator import triton_api
from evaluator.request import Request
from evaluator.service import Evaluator
from evaluator.verdict import Status, Verdict
from harness.engine.desks import Replay
from harness.evaluation import Judge
from harness.loop import Loop
from harness.progress import PlainProgress
from harness.proposers.base import Context, Cost, Proposal
from harness.run import execute
from harness.settings import LlmSettings, ProposerSettings, SearchSettings, Settings
from harness.state import State
from tests.harness.recording import API, RecordedEvaluator, digest, entry, failed, reply, settings, source, verdict

SEARCH = SearchSettings(rounds=40, patience=40)
CONCURRENCY = 4
FACTORS = 61
JUDGING_S, DISPATCHING_S = 0.004, 0.002
PHASES = ("starting", "between steps", "saving an ask", "dispatching", "judging", "saving a verdict", "saving a step")
AIMED = ("", "saving an ask", "dispatching", "judging", "saving a verdict", "saving a step")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures there")
    given = parser.parse_args()
    advice.available.cache_clear()
    # Its process would take most of the time.
    advice.available = lambda: False  # type: ignore[assignment]
    triton_api.names()
    with tempfile.TemporaryDirectory(prefix="kill-test-") as folder:
        found = kill(Path(folder), given.kills, random.Random(given.seed))
    print_table(found, given.seed)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if found["equal"] == found["runs"] else 1


def kill(folder: Path, kills: int, chance: random.Random) -> dict[str, Any]:
    """Kill until it was done so often; the figures."""
    recorded = folder / "recorded"
    run = record(recorded)
    whole, seconds = life(shutil.copytree(recorded, folder / "whole"), run, None)
    assert whole
    expected = results(folder / "whole")
    where: Counter[str] = Counter()
    runs = equal = 0
    while sum(where.values()) < kills:
        root = shutil.copytree(recorded, folder / f"killed-{runs}")
        ended = False
        while not ended:
            enough = sum(where.values()) >= kills
            ended, phase = life(root, run, None if enough else drawn(chance, float(seconds), sum(where.values())))
            where.update([] if ended else [str(phase)])
        runs += 1
        equal += results(root) == expected
    return {
        "kills": sum(where.values()),
        "where": {phase: where[phase] for phase in PHASES},
        "runs": runs,
        "equal": equal,
        "steps": len(expected["log"]),
        "asks_at_a_time": CONCURRENCY,
        "undisturbed_s": round(float(seconds), 2),
    }


@dataclass(frozen=True)
class Kill:
    """When to kill: so many seconds after the process began or began to work, and then once it is in a phase."""

    after_s: float
    at_work: bool = True
    phase: str = ""  # empty: wherever it is


def drawn(chance: random.Random, work_s: float, number: int) -> Kill:
    """The next kill: of ten one while a life starts, four at any time, five in the short phases that matter most."""
    if number % 10 == 0:
        return Kill(chance.uniform(0, 0.1), at_work=False)
    return Kill(chance.uniform(0, work_s / 12), phase=AIMED[number % 10] if number % 10 < len(AIMED) else "")


def print_table(found: dict[str, Any], seed: int) -> None:
    """What goes into docs/results/kill-test.md."""
    print(f"{found['kills']} kills (seed {seed}) along {found['runs']} runs of {found['steps']} steps each,")
    print(f"up to {found['asks_at_a_time']} asks at a time; {found['equal']} of {found['runs']} ended as undisturbed\n")
    print("| the kill fell                | kills |\n|------------------------------|-------|")
    for phase, count in found["where"].items():
        print(f"| {phase:<28} | {count:>5} |")


# The run: replies and verdicts from a table.


@dataclass
class Writer:
    """A model whose answer depends on the ask's number alone, and takes its time for every fourth."""

    name: str = "llm"

    def propose(self, context: Context) -> Proposal | None:
        time.sleep(0.03 if context.ticket % 4 == 0 else 0.002)
        number = context.ticket
        text = "There is nothing to improve." if number % 13 == 5 else reply(source(number * 7 % FACTORS + 1))
        return Proposal(self.name, f"proposal {number}", reply=text, prompt=f"prompt {number}", cost=Cost(calls=1))


class Verdicts(dict[str, Verdict]):
    """Every seventh candidate is wrong; the times of the others jump about, and slowly get better."""

    def __init__(self) -> None:
        super().__init__({digest(0): verdict(ms=1.0)})
        for factor in range(1, FACTORS + 1):
            wrong = failed(Status.WRONG_OUTPUT, f"candidate {factor} differs")
            self[digest(factor)] = wrong if factor % 7 == 0 else verdict(ms=1.0 - 0.01 * (factor * 17 % 43))


def replayed(root: Path, run: str) -> Settings:
    """What is asked for in every life."""
    return settings(root, key="b" * 64, search=SEARCH, proposer=ProposerSettings(kind="recorded", run=run))


def record(root: Path) -> str:
    """Do the run once, with answers that come in another order than they were asked for; its ID."""
    llm = LlmSettings(concurrency=CONCURRENCY)
    given = settings(root, search=SEARCH, proposer=ProposerSettings(kind="llm", reason="recorded"), llm=llm)
    with Store.open("", root) as store, quiet() as console:
        judge = Judge(given, store, cast(Evaluator, RecordedEvaluator(Verdicts())), API)
        record = store.open_run(given.key, {})
        ending = Loop(judge, Writer(), record, PlainProgress(console), lambda: False).run()
        store.close_run(record.id, "finished", ending.reason)
    return record.id


@contextmanager
def quiet() -> Iterator[Console]:
    """A console that nobody reads."""
    with Path(os.devnull).open("w") as nowhere:
        yield Console(file=nowhere, width=100)


# Lives.


def life(root: Path, run: str, kill: Kill | None) -> tuple[bool, float | str]:
    """One process that works on the run, killed at some time or left to its end.

    Returns:
        Whether it came to its end, and then the seconds that it worked, else where it was killed.
    """
    phase = mmap.mmap(-1, 1)
    child = os.fork()
    if child == 0:
        live(root, run, phase)
    if kill is None or kill.at_work:
        wait(child, lambda: phase[0] != 0)
    began = time.monotonic()
    if kill is not None:
        time.sleep(kill.after_s)
        wait(child, lambda: kill.phase in ("", PHASES[phase[0]]))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False, PHASES[phase[0]]
    if os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"a life ended with exit code {os.WEXITSTATUS(status)}")
    return True, time.monotonic() - began


def wait(child: int, until: Callable[[], bool]) -> None:
    """Wait for something, or for the end of the child, which stays to be waited for."""
    while not until() and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.0002)


def live(root: Path, run: str, phase: mmap.mmap) -> None:
    """The life of a child: `harness run`, but for the table of verdicts. Never returns."""
    code = 3
    try:
        watch(phase)
        recorded = RecordedEvaluator(Verdicts(), on_evaluate=lambda request: judging(phase, request))
        with quiet() as console:
            code = execute(replayed(root, run), console, opener=lambda _: opened(recorded, phase))
    finally:
        os._exit(code)


def opened(recorded: RecordedEvaluator, phase: mmap.mmap) -> Any:
    """The evaluator, at the moment when the run begins to work."""
    phase[0] = PHASES.index("between steps")
    return recorded


def judging(phase: mmap.mmap, request: Request) -> None:
    """Take some time over a candidate."""
    phase[0] = PHASES.index("judging")
    time.sleep(JUDGING_S)
    phase[0] = PHASES.index("between steps")


def watch(phase: mmap.mmap) -> None:
    """Have this process say where it is."""

    def noted(name: str, action: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **named: Any) -> Any:
            phase[0] = PHASES.index(name)
            time.sleep(DISPATCHING_S if name == "dispatching" else 0)  # else too short for a kill to meet it
            result = action(*arguments, **named)
            phase[0] = PHASES.index("between steps")
            return result

        return act

    for owner, method, name in (
        (Store, "add_ask", "saving an ask"),
        (Store, "add_step", "saving a step"),
        (Store, "put_verdict", "saving a verdict"),
        (Replay, "put", "dispatching"),
    ):
        setattr(owner, method, noted(name, getattr(owner, method)))


def results(root: Path) -> dict[str, Any]:
    """What must be the same: board, failures, log and spending, but for how long things took."""
    with Store.open("", root) as store:
        record = store.open_run("b" * 64, {})
        steps, asks = store.steps(record.id), store.asks(record.id)
        spent = State.from_log(steps, asks).spent
        return {
            "state": (record.state, record.reason),
            "board": [repr(row) for row in board.rows(store)],
            "failures": [repr(failure) for failure in board.failures(store)],
            "log": [entry(step) for step in steps],
            "asks": [ask.model_dump() for ask in asks],
            "spent": (spent.usd, spent.tokens, spent.calls, spent.evaluations),
        }


if __name__ == "__main__":
    sys.exit(main())
