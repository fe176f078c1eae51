"""All stages for all bundled tasks, without a model: what each gained, what it took, and who is faster at the end.

    python -m benchmarks.stages run --json OUT.json [--tasks NAME ...] [--proposers NAME ...] [--folder DIR] [WORD ...]
    python -m benchmarks.stages table OUT.json ...      # what was found, as Markdown

Each run is `harness run stage=all task=T proposer=P WORD ...`. What it prints is DIR/T-P.txt; the store is DIR/store.
On a machine with several GPUs one invocation each may run at the same time, kept apart by CUDA_VISIBLE_DEVICES.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from candidates.store import Store
from evaluator.catalog import task_names
from evaluator.errors import HarnessError
from evaluator.verdict import Timing, Verdict
from harness.config import load
from harness.llm.budget import Spent
from harness.reports.account import by_stage
from harness.reports.verdict import as_json
from harness.run import execute
from harness.settings import Settings
from harness.state import PROGRESS, State

CONF = Path(__file__).parents[1] / "conf"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("--tasks", nargs="+", default=task_names(CONF), metavar="NAME")
    running.add_argument("--proposers", nargs="+", default=["rules", "inductor"], metavar="NAME")
    running.add_argument("--folder", type=Path, default=Path("runs/stages"))
    running.add_argument("--json", type=Path, required=True, help="written after every run")
    running.add_argument("overrides", nargs="*", metavar="WORD")
    showing = commands.add_parser("table")
    showing.add_argument("files", nargs="+", type=Path)
    given = parser.parse_args()
    if given.command == "table":
        print("\n".join(tables([row for path in given.files for row in json.loads(path.read_text())])))
        return 0
    rows: list[dict[str, Any]] = []
    for task in given.tasks:
        for proposer in given.proposers:
            rows.append(one_run(given.folder, task, proposer, given.overrides))
            given.json.write_text(json.dumps(rows, indent=1) + "\n")
            print(f"{task} by {proposer}: {rows[-1]['ending']}", flush=True)
    return 0 if all(row["stages"] for row in rows) else 1


def one_run(folder: Path, task: str, proposer: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Do the run, and say what came of it; a failure of the machine is a row as well."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [f"task={task}", f"proposer={proposer}", "stage=all", f"store.root={folder / 'store'}", *overrides]
    settings = load(words)
    began, failed = time.monotonic(), {}
    with (folder / f"{task}-{proposer}.txt").open("w") as transcript:
        console = Console(file=transcript, width=120)
        try:
            execute(settings, console)
        except HarnessError as error:
            failed = {"ending": f"error: {error.problem}"}
    wall_s = round(time.monotonic() - began, 1)
    return outcome(settings, proposer) | failed | {"words": words[:3], "wall_s": wall_s}


def outcome(settings: Settings, proposer: str) -> dict[str, Any]:
    """What the log of a run says about its stages."""
    with Store.open(settings.store.url, settings.store.root) as store:
        run = store.open_run(settings.key, {})
        state = State.from_log(store.steps(run.id), store.asks(run.id))
    end = state.verdicts.get(state.current)
    start = next((step.verdict for step in state.steps if step.kind == "start"), None)
    judged = [verdict for verdict in state.verdicts.values() if verdict.baseline["eager"] is not None]
    baseline = judged[0].baseline if judged else {"eager": None, "compile": None}
    return {
        "task": settings.task.name,
        "proposer": proposer,
        "run": run.id,
        "ending": run.reason,
        "device": end.device if end else "",
        "eager": _interval(baseline["eager"]),
        "compile": _interval(baseline["compile"]),
        "start": _interval(start.time if start else None),
        "stages": list(stages(state)),
        "end": _interval(end.time if end else None),
        "candidate": state.current[:12],
        "against_compile": against(end.time if end else None, baseline["compile"]),
        "where": where(end) if end else [],
    }


def stages(state: State) -> Iterator[dict[str, Any]]:
    """Of each stage: the time that it left behind, what it took, and the changes that it kept."""
    used: dict[str, Spent] = by_stage(state)
    current: Verdict | None = None
    for name, spent in used.items():
        steps = [step for step in state.steps if step.stage == name]
        kept = [step for step in steps if step.decision in ("start", *PROGRESS)]
        current = kept[-1].verdict if kept else current
        yield {
            "stage": name,
            "time": _interval(current.time if current else None),
            "kept": [step.change for step in kept],
            "failed": sum(step.decision == "failed" for step in steps),
            "evaluations": spent.evaluations,
            "minutes": round(spent.minutes, 2),
            "note": next((step.note for step in reversed(steps) if step.decision == "declined"), ""),
        }


def where(verdict: Verdict) -> list[dict[str, Any]]:
    """Where the time of a forward goes: own kernels with their fraction of the roofline, then all other work."""
    own: list[dict[str, Any]] = as_json(verdict)["evidence"]["roofline"]
    others = [work for work in verdict.evidence.gpu_work if work.kind != "own"]
    return own + [{"name": work.operator or work.name, "share": work.share, "fraction": None} for work in others]


def against(ours: Timing | None, theirs: Timing | None) -> str:
    """By the 95 % intervals of both: faster or slower if they do not overlap, else tied; empty if one is missing."""
    if ours is None or theirs is None:
        return ""
    if ours.high_ms < theirs.low_ms:
        return "faster"
    return "slower" if ours.low_ms > theirs.high_ms else "tied"


def _interval(timing: Timing | None) -> list[float] | None:
    return [timing.median_ms, timing.low_ms, timing.high_ms] if timing else None


def tables(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """One table of times, one of what they took, one of where the time of the ends goes."""
    names = list(dict.fromkeys(stage["stage"] for row in rows for stage in row["stages"] if stage["stage"] != "start"))
    yield from _table(
        ["task", "proposer", "eager", "torch.compile", "start", *names, "at the end", "against torch.compile"],
        ([row["task"], row["proposer"], *_times(row, names)] for row in rows),
    )
    yield ""
    yield from _table(
        ["task", "proposer", *(f"{name}: evaluations, minutes" for name in ("start", *names)), "wall s", "ending"],
        ([row["task"], row["proposer"], *_used(row, ["start", *names])] for row in rows),
    )
    yield ""
    yield from _table(
        ["task", "proposer", "where the time goes at the end"],
        ([row["task"], row["proposer"], "; ".join(map(_place, row["where"][:6]))] for row in rows),
    )


def _times(row: dict[str, Any], names: Sequence[str]) -> Iterator[str]:
    left = {stage["stage"]: stage["time"] for stage in row["stages"]}
    yield from (_ms(row["eager"]), _ms(row["compile"]), _ms(row["start"]))
    yield from (_ms(left.get(name)) for name in names)
    end = row["end"]
    yield f"{_ms(end)} ({end[1]:.4g} to {end[2]:.4g})" if end else "—"
    ratio = f" ({row['compile'][0] / end[0]:.2f}x)" if end and row["compile"] else ""
    yield row["against_compile"] + ratio


def _used(row: dict[str, Any], names: Sequence[str]) -> Iterator[str]:
    used = {stage["stage"]: stage for stage in row["stages"]}
    yield from (f"{used[name]['evaluations']}, {used[name]['minutes']:.1f}" if name in used else "—" for name in names)
    yield f"{row['wall_s']:.0f}"
    yield row["ending"]


def _place(place: dict[str, Any]) -> str:
    share = "unknown" if place["share"] is None else f"{place['share']:.0%}"
    of = f" at {place['fraction']:.0%} of the {place['bound']} roof" if place["fraction"] is not None else ""
    return f"{place['name'][:60]} {share}{of}"


def _ms(interval: Sequence[float] | None) -> str:
    return f"{interval[0]:.4g}" if interval else "—"


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headers)} |"
    yield f"|{'---|' * len(headers)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


if __name__ == "__main__":
    sys.exit(main())
