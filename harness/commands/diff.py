"""`harness diff A B`: what differs between two candidates, in their sources and in what was found about them."""

import difflib
from collections.abc import Sequence

from rich.text import Text

from candidates.text import neutralise
from harness import archive, arguments, terminal
from harness.config import load_store
from harness.reports import verdict as reports

STYLES = {"+": "green", "-": "red", "@": "cyan"}


def main(words: Sequence[str], debug: bool) -> int:
    """Print a unified diff and both verdicts."""
    parser = arguments.parser("diff")
    parser.add_argument("first", metavar="A", help="the beginning of a candidate's ID")
    parser.add_argument("second", metavar="B", help="the beginning of another's")
    given, overrides = arguments.parse(parser, words)
    with archive.open_existing(load_store(overrides)) as store:
        digests = [store.resolve(prefix) for prefix in (given.first, given.second)]
        sources = [neutralise(store.source(digest)) for digest in digests]
        found = [archive.best_verdict(store.verdicts(digest)) for digest in digests]
    lines = unified(sources[0], sources[1], digests[0], digests[1])
    if given.json:
        verdicts = [reports.as_json(each.verdict, each.digest) if each else None for each in found]
        terminal.print_json({"a": digests[0], "b": digests[1], "diff": lines, "verdicts": verdicts})
        return 0
    console = terminal.stdout()
    for line in lines:
        style = "bold" if line.startswith(("+++", "---")) else STYLES.get(line[:1], "")
        console.print(Text(line, style=style), soft_wrap=True)
    if not lines:
        console.print("The sources are the same.")
    for digest, each in zip(digests, found, strict=True):
        console.print()
        console.print(Text(digest[:12], style="bold"))
        if each:
            reports.print_verdict(each.verdict, console)
        else:
            console.print("It was never evaluated.")
    return 0


def unified(first: str, second: str, first_name: str, second_name: str) -> list[str]:
    """A unified diff, line by line, without line ends."""
    return list(
        difflib.unified_diff(
            first.splitlines(), second.splitlines(), fromfile=first_name[:12], tofile=second_name[:12], lineterm=""
        )
    )
