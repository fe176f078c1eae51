"""A bench for whole runs over a real store, with recorded verdicts."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from candidates.store import Ask, Step, Store
from evaluator.service import Evaluator
from evaluator.verdict import Verdict
from harness.evaluation import Judge
from harness.loop import Ending, Loop
from harness.progress import PlainProgress
from harness.proposers.base import Proposer
from harness.settings import Settings
from harness.state import State
from tests.harness.recording import API, RecordedEvaluator, entry


class Bench:
    """A run that can be gone on with: the same store, a new loop each time."""

    def __init__(self, root: Path, given: Settings, table: Mapping[str, Verdict], proposer: Proposer) -> None:
        self.given = given
        self.evaluator = RecordedEvaluator(table)
        self.proposer = proposer
        self.store = Store.open("", root)
        self.console = Console(record=True, width=160, force_terminal=False, quiet=False, file=(root / "out").open("w"))

    def go(self, interrupted: Sequence[bool] = ()) -> Ending:
        """One invocation; `interrupted` answers the loop's question before each step."""
        answers = itertools.chain(interrupted, itertools.repeat(False))
        judge = Judge(self.given, self.store, cast(Evaluator, self.evaluator), API)
        run = self.store.open_run(self.given.key, {})
        return Loop(judge, self.proposer, run, PlainProgress(self.console), lambda: next(answers)).run()

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.store.steps(self.store.open_run(self.given.key, {}).id)

    @property
    def asks(self) -> tuple[Ask, ...]:
        return self.store.asks(self.store.open_run(self.given.key, {}).id)

    @property
    def state(self) -> State:
        return State.from_log(self.steps, self.asks)

    @property
    def log(self) -> list[dict[str, Any]]:
        """Everything recorded, but for how long it took."""
        return [entry(step) for step in self.steps]

    @property
    def said(self) -> str:
        return self.console.export_text(clear=False)

    def close(self) -> None:
        self.store.close()
        self.console.file.close()
