"""How long a person waits for the commands that only look: medians of wall and of CPU seconds.

    python -m benchmarks.cli_latency [--rows N] [--repeats N] [--json OUT.json]

Each command runs as a process of its own over a store of N candidates whose verdicts are as long as measured ones are.
Wall time depends on what else the machine does; CPU seconds (user and system) hardly.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from candidates.store import Step, Store
from evaluator.catalog import load_task
from evaluator.tasks import Task
from evaluator.verdict import Evidence, KernelFacts, Status, Timing, Verdict
from harness.places import CONF

SAMPLES = 400  # raw times in one measured verdict, about


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500, metavar="N", help="candidates in the store")
    parser.add_argument("--repeats", type=int, default=9, metavar="N", help="runs of each command")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write the figures there as well")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness-latency-") as folder:
        shown = fill(Path(folder), given.rows)
        commands = {"leaderboard": ["leaderboard"], "show": ["show", shown], "tasks": ["tasks"], "--help": ["--help"]}
        found = {name: measure(words, Path(folder), given.repeats) for name, words in commands.items()}
    print(f"{given.rows} candidates, medians of {given.repeats}")
    print(f"{'command':<12} {'wall s':>7} {'CPU s':>7}")
    for name, (wall, cpu) in found.items():
        print(f"{name:<12} {wall:>7.3f} {cpu:>7.3f}")
    if given.json:
        figures = {name: {"wall_s": wall, "cpu_s": cpu} for name, (wall, cpu) in found.items()}
        given.json.write_text(json.dumps({"rows": given.rows, "commands": figures}, indent=2) + "\n")
    return 0


def fill(root: Path, rows: int) -> str:
    """Make a store with that many measured candidates; the digest of one of them."""
    task = load_task("softmax", CONF)
    digest = ""
    with Store.open("", root) as store:
        run = store.open_run("latency", {})
        for number in range(rows):
            digest = store.put_candidate(f"number = {number}\n")
            verdict = measured(task, 1.0 + number / rows)
            store.put_verdict(digest, task, "latency", verdict)
            change = f"num_warps 4 -> {number}"
            step = Step(
                index=number, stage="finetune", candidate=digest, change=change, verdict=verdict, decision="kept"
            )
            store.add_step(run.id, step)
    return digest


def measured(task: Task, ms: float) -> Verdict:
    """A verdict with as many raw samples as a measured one has."""
    time = Timing(median_ms=ms, low_ms=ms * 0.99, high_ms=ms * 1.01, samples_ms=(ms,) * SAMPLES)
    kernel = KernelFacts(name="kernel", registers=32, spill_bytes=0, fits=True, occupancy=1.0, num_warps=4)
    return Verdict(
        status=Status.VERIFIED,
        task=task.name,
        device="a GPU",
        time=time,
        baseline={"eager": time, "compile": time},
        kernels=(kernel,),
        evidence=Evidence(checked_on="device"),
    )


def measure(words: Sequence[str], root: Path, repeats: int) -> tuple[float, float]:
    """Medians of wall and CPU seconds of a command."""
    walls, cpus = [], []
    environment = os.environ | {"HARNESS_HOME": str(root), "HARNESS_STORE_URL": ""}
    for _ in range(repeats):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "harness", *words]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        walls.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(walls), median(cpus)


if __name__ == "__main__":
    sys.exit(main())
