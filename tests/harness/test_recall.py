"""What a run showed when it asked for a repair, made again from its log."""

from dataclasses import dataclass, field
from typing import Any

from evaluator.verdict import Status
from harness.proposers.base import Context, Proposal
from harness.recall import repair_context
from harness.settings import SearchSettings
from tests.harness.recording import API, STAGES, Script, digest, failed, reply, source, verdict

WRONG = failed(Status.WRONG_OUTPUT, "3 of 64 values differ")
TABLE = {digest(0): verdict(), digest(1): verdict(), digest(2): WRONG, digest(3): WRONG, digest(4): WRONG}
ROUNDS = [[reply(source(1))], [reply(source(2)), reply(source(3))], [reply(source(4))]]


@dataclass
class Watched:
    """Asks a script, and keeps what it was shown."""

    script: Script
    shown: list[Context] = field(default_factory=list)
    name: str = "llm"

    def propose(self, context: Context) -> Proposal | None:
        self.shown.append(context)
        return self.script.propose(context)


def test_a_repair_is_recalled_as_it_was_asked(bench: Any) -> None:
    watched = Watched(Script(ROUNDS))
    run = bench(TABLE, watched, device="", search=SearchSettings(rounds=3, repairs=1))
    run.go()
    asked = [context for context in watched.shown if context.failure is not None]
    assert len(asked) == 2
    for then in asked:
        assert then.failure is not None
        now = repair_context(run.store, run.given, STAGES, then.failure.digest, API)
        assert now is not None
        for part in ("failure", "history", "board", "source", "stage", "round", "seen", "verdict", "plan"):
            assert getattr(now, part) == getattr(then, part), part
    assert repair_context(run.store, run.given, STAGES, digest(1), API) is None
    assert repair_context(run.store, run.given, STAGES, "f" * 64, API) is None
