"""The adversarial table: `python -m tests.adversarial.table [--gpu] [--json] [--only GROUP] [--rows FILE]`.

Evaluates every case with no static rule in between and prints class, name, what is expected, and what caught it, as
Markdown, or with --json as JSON with the machine and the software. Exit code 1 if a case did not end as it should.
Without --gpu, the cases that only a GPU can show are listed as such. With --rows, a table that was cut off is gone on
with: each row is a line of that file as soon as it is there, and is not made again on the same kind of machine.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from tests.adversarial.case import Case, Group
from tests.adversarial.cheats.escape import SECRET_NAME
from tests.adversarial.collection import ALL
from tests.adversarial.outcome import Bench, escaped, on_gpu, without_gpu


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.adversarial.table", description=__doc__)
    parser.add_argument("--gpu", action="store_true", help="run on the GPU of this machine")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", choices=get_args(Group), help="one class of cases")
    parser.add_argument(
        "--rows", type=Path, default=Path(os.devnull), help="where rows are kept, one line of JSON each"
    )
    given = parser.parse_args(words)
    os.environ[SECRET_NAME] = "not for candidates"
    bench = on_gpu() if given.gpu else without_gpu()
    cases = [case for case in ALL if given.only in (None, case.group)]
    with bench.evaluator:
        timed = bench.timed() if given.gpu else bench
        rows = list(_rows(timed, cases, given.gpu, given.rows))
        described = bench.evaluator.describe() | {"target": bench.gpu.name, "honest_ms": timed.honest_ms}
    print(json.dumps({"machine": described, "rows": rows}, indent=1) if given.json else _markdown(rows, described))
    return 1 if any(row["result"] == "missed" for row in rows) else 0


def _rows(bench: Bench, cases: Sequence[Case], gpu: bool, file: Path) -> Iterator[dict[str, Any]]:
    lines = file.read_text().splitlines() if file.exists() else []
    made = {(row["class"], row["name"], row["gpu"]): row for row in map(json.loads, lines)}
    for number, case in enumerate(cases, 1):
        print(f"{number}/{len(cases)} {case.group}: {case.name}", file=sys.stderr, flush=True)
        row = made.get((case.group, case.name, gpu))
        if row is None:
            row = _row(bench, case, gpu)
            with file.open("a") as kept:
                kept.write(json.dumps(row) + "\n")
        yield row


def _row(bench: Bench, case: Case, gpu: bool) -> dict[str, Any]:
    row = {
        "class": case.group,
        "name": case.name,
        "gpu": gpu,
        "expected": sorted(case.expected),
        "check": case.caught_by,
        "static": "refused" if case.refused else "passes",
    }
    if case.shows == "gpu" and not gpu:
        return row | {"result": "needs a GPU", "status": "", "reason": ""}
    verdict = bench.run(case)
    problem = escaped(case, verdict, bench.honest_ms)
    return row | {
        "result": _result(case, problem),
        "status": str(verdict.status),
        "reason": verdict.reason,
        "problem": problem,
        "time_ms": verdict.time.median_ms if verdict.time else None,
        "known": case.known,
    }


def _result(case: Case, problem: str) -> str:
    if problem:
        return "known to pass" if case.known else "missed"
    return "passes" if case.group == "honest" else "caught"


def _markdown(rows: Sequence[dict[str, Any]], machine: dict[str, Any]) -> str:
    device = machine["device"] or f"no GPU, compiled for {machine['target']}"
    lines = [
        f"Machine: {device}; software: {machine['software']}.",
        "",
        "| class | case | static rules | expected | check | result | status | what was said |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        said = row["reason"].replace("|", "/").replace("\n", " ")[:140]
        cells = (row["class"], row["name"], row["static"], " or ".join(row["expected"]), row["check"], row["result"])
        lines.append(f"| {' | '.join((*cells, row['status'], said))} |")
    caught = sum(row["result"] == "caught" for row in rows)
    missed = [row["name"] for row in rows if row["result"] == "missed"]
    known = [row["name"] for row in rows if row["result"] == "known to pass"]
    lines += ["", f"Known to pass (docs/threat-model.md): {len(known)}{': ' if known else ''}{'; '.join(known)}."]
    lines += ["", f"Caught: {caught}. Missed: {len(missed)}{': ' if missed else ''}{'; '.join(missed)}."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
