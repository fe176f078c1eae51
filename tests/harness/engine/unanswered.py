"""A run whose questions are never answered: done by test_desks as a process of its own.

Argument: the root of the store. Prints `READY` when four asks are in flight, from a thread of its own: it may
stand on a line with what the run says.
"""

import sys
import threading
from pathlib import Path
from typing import cast

from rich.console import Console

from candidates.store import Store
from evaluator.service import Evaluator
from harness.boundary import guarded
from harness.evaluation import Judge
from harness.loop import Loop
from harness.progress import PlainProgress
from harness.proposers.base import Context, Proposal
from harness.run import stoppable
from harness.settings import LlmSettings, ProposerSettings
from tests.harness.recording import API, RecordedEvaluator, Ties, settings


class Silent:
    """Asked, it never says anything."""

    name = "llm"

    def __init__(self) -> None:
        self.asked = threading.Barrier(4, action=lambda: print("READY", flush=True))

    def propose(self, context: Context) -> Proposal | None:
        self.asked.wait()
        threading.Event().wait()
        return None


def main(root: str) -> int:
    proposer = ProposerSettings(kind="llm", reason="a test asks for it")
    given = settings(Path(root), device="", proposer=proposer, llm=LlmSettings(concurrency=4))
    progress = PlainProgress(Console(width=160))
    with Store.open("", given.store.root) as store, stoppable(progress.say) as interrupted:
        judge = Judge(given, store, cast(Evaluator, RecordedEvaluator(Ties())), API)
        Loop(judge, Silent(), store.open_run(given.key, {}), progress, interrupted).run()
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1]), debug=True))
