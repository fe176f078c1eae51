"""`harness run`: the search, as a Hydra application."""

import os
from collections.abc import Callable, Sequence

from harness import config
from harness.boundary import guarded
from harness.cli import COMPLETION
from harness.settings import Settings


def main(words: Sequence[str], debug: bool) -> int:
    """Run once, or once for each job of a sweep; the worst exit code of them."""
    if any(word in COMPLETION for word in words):
        return complete(words)

    def job(settings: Callable[[], Settings]) -> int:
        return guarded(lambda: search(settings()), debug)

    return config.run_application(words, job)


def search(settings: Settings) -> int:
    """One run; imported late, since `--help` and `--cfg job` need none of it."""
    from harness.run import execute

    return execute(settings)


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
    config.complete(words)
    return 0
