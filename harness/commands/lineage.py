"""`harness lineage ID`: the chain of proposals that led to a candidate, oldest first."""

from collections.abc import Sequence

from harness import archive, arguments, terminal
from harness.config import load_store
from harness.progress import step_line
from harness.reports import verdict as reports


def main(words: Sequence[str], debug: bool) -> int:
    """Print the steps in which it and its ancestors were proposed."""
    parser = arguments.parser("lineage")
    parser.add_argument("id", metavar="ID", help="the beginning of a candidate's ID")
    given, overrides = arguments.parse(parser, words)
    with archive.open_existing(load_store(overrides)) as store:
        digest = store.resolve(given.id)
        steps = store.lineage(digest)
    if given.json:
        terminal.print_json(
            [
                step.model_dump(mode="json", exclude={"verdict"})
                | {"verdict": reports.as_json(step.verdict, step.candidate) if step.verdict else None}
                for step in steps
            ]
        )
        return 0
    console = terminal.stdout()
    for step in steps:
        console.print(step_line(step), soft_wrap=True)
    if not steps:
        console.print(f"{digest[:12]} was evaluated from a file; no run proposed it.")
    return 0
