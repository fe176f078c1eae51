"""`harness run`: the search, as a Hydra application."""

import os
from collections.abc import Callable, Sequence

from evaluator.errors import UsageError
from harness.boundary import guarded
from harness.cli import COMPLETION
from harness.config import run_application
from harness.settings import Settings


def main(words: Sequence[str], debug: bool) -> int:
    """Run once, or once for each job of a sweep; the worst exit code of them."""
    if any(word in COMPLETION for word in words):
        return complete(words)

    def job(settings: Callable[[], Settings]) -> int:
        return guarded(lambda: execute(settings()), debug)

    return run_application(words, job)


def execute(settings: Settings) -> int:
    """One run, once it is clear that who proposes has been told enough."""
    from harness.run import execute as search

    if settings.proposer.kind == "llm" and not settings.llm.model:
        raise UsageError(
            f"The proposer is a language model ({settings.proposer.reason}), but none is named.",
            "Name it with llm.model=NAME, or use proposer=rules, which needs none.",
        )
    if settings.proposer.kind == "recorded" and not settings.proposer.run:
        raise UsageError("proposer=recorded needs the run whose replies to use.", "Add proposer.run=ID.")
    return search(settings)


def complete(words: Sequence[str]) -> int:
    """Shell completion: our own words here, everything else by Hydra, which must not see the command's name."""
    from harness import completion

    line = os.environ.get("COMP_LINE", "")
    shell = next((word.partition("=")[2] for word in words if word.startswith("query=")), "")
    if shell:
        own = completion.candidates(line)
        if own is not None:
            print("\n".join(own) if shell == "fish" else " ".join(own))
            return 0
        os.environ["COMP_LINE"] = completion.without_command(line)
    return run_application(words, lambda _: 0)
