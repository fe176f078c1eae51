"""Wall seconds for each verdict, and where they go, for the bundled tasks in a steady stream.

    python -m benchmarks.bench [--tasks NAME ...] [--verdicts N] [--json OUT.json]

One oracle judges the start of each task, and then variants of it against that start. The first verdict of a task pays
for its baselines and is reported apart. Without a GPU this is the unmeasured path: compilation for the target, and
numerics in the interpreter. Profiling (ncu) is no part of a verdict.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from evaluator.catalog import load_gpus, load_task, task_names
from evaluator.devices import choose, detect
from evaluator.gpus import Gpu
from evaluator.request import EvaluatorSettings, Incumbent, Request
from evaluator.service import Evaluator
from evaluator.tasks import Task

CONF = Path(__file__).parents[1] / "conf"
_PARTS = {
    "start": ("start",),
    "compile": ("compile",),
    "correctness": ("check",),
    "integrity": ("inspect", "integrity"),
    "baselines": ("baseline eager", "baseline compile"),
    "timing": ("settle", "time"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=task_names(CONF), metavar="NAME")
    parser.add_argument("--verdicts", type=int, default=3, help="for each task, besides the first")
    parser.add_argument("--json", type=Path, help="write every verdict's seconds there")
    given = parser.parse_args()
    target = choose("auto", load_gpus(CONF), detect(), "auto")
    device = target.device.uuid if target.device else ""
    print(target.device.name if target.device else f"no GPU here: unmeasured, for {target.gpu.title}")
    rows: list[dict[str, Any]] = []
    with Evaluator(EvaluatorSettings(), device=device, target=target.gpu) as evaluator:
        evaluator.warm()
        for task in (load_task(name, CONF) for name in given.tasks):
            if task.start:
                rows += _show(stream(evaluator, task, target.gpu, given.verdicts))
    steady = [row["wall_s"] for row in rows if not row["first"]]
    print(f"median of {len(steady)} verdicts in a steady stream: {median(steady):.2f} s")
    if given.json:
        given.json.write_text(json.dumps({"device": target.device.name if target.device else "", "verdicts": rows}))
    return 0 if all(row["status"] in ("verified", "unchecked") for row in rows) else 1


def stream(evaluator: Evaluator, task: Task, gpu: Gpu, verdicts: int) -> Iterator[dict[str, Any]]:
    """Seconds of the start's verdict, and of variants of it that differ in nothing but their text."""
    incumbent = None
    baseline: dict[Any, Any] = {}
    for index in range(verdicts + 1):
        source = task.start + f"\n# variant {index}\n"
        digest = hashlib.sha256(source.encode()).hexdigest()
        request = Request(source=source, digest=digest, task=task, target=gpu, incumbent=incumbent, baseline=baseline)
        began = time.monotonic()
        verdict = evaluator.evaluate(request)
        wall = time.monotonic() - began
        seconds = verdict.evidence.seconds
        row = {name: round(sum(seconds.get(step, 0.0) for step in steps), 3) for name, steps in _PARTS.items()}
        row |= {"other": round(wall - sum(row.values()), 3)}
        gain = verdict.gain.model_dump() if verdict.gain else None
        yield (
            {"task": task.name, "first": index == 0, "status": str(verdict.status), "wall_s": round(wall, 3)}
            | row
            | {
                "reason": verdict.reason,
                "gain": gain,
                "notes": verdict.evidence.notes,
                "steps": seconds,
            }
        )
        if index == 0:
            incumbent = Incumbent(digest=digest, source=source, autotune=verdict.evidence.autotune)
            baseline = {kind: timing for kind, timing in verdict.baseline.items() if timing is not None}


def _show(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        parts = "  ".join(f"{name} {row[name]:.2f}" for name in (*_PARTS, "other"))
        which = "first " if row["first"] else "steady"
        print(
            f"{row['task']:28s} {which} {row['status']:10s} {row['wall_s']:6.2f} s:  {parts}  {row['reason']}",
            flush=True,
        )
        yield row


if __name__ == "__main__":
    sys.exit(main())
