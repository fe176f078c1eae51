"""A run over recorded verdicts that stands still in one evaluation: run by test_run as a process of its own.

Arguments: the root of the store, the number of the candidate whose evaluation prints `READY` and waits for a line on
standard input, and a letter that makes the run's key.
"""

import sys
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from evaluator.request import Request
from harness.boundary import guarded
from harness.run import execute
from tests.harness.recording import RecordedEvaluator, Ties, settings


def main(root: str, waits_at: int, key: str = "a") -> int:
    recorded = RecordedEvaluator(Ties())

    def wait(request: Request) -> None:
        if len(recorded.asked) == waits_at:
            print("READY", flush=True)
            sys.stdin.readline()

    recorded.on_evaluate = wait
    given = settings(Path(root), device="", key=key * 64)
    return execute(given, Console(width=160), opener=lambda _: cast(Any, recorded))


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]), debug=True))
