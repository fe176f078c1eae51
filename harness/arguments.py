"""What the parsers of all commands but `run` share."""

import argparse
from collections.abc import Sequence

from harness.cli import COMMANDS, EXIT_CODES
from harness.overrides import split


def parser(name: str, json: bool = True) -> argparse.ArgumentParser:
    """A parser for the command `name`; with `json`, it knows --json."""
    made = argparse.ArgumentParser(
        prog=f"harness {name}",
        description=COMMANDS[name][0].upper() + COMMANDS[name][1:] + ".",
        epilog=f"Settings such as store.root=PATH may follow as KEY=VALUE. {EXIT_CODES}",
        allow_abbrev=False,
    )
    if json:
        made.add_argument("--json", action="store_true", help="print JSON on stdout; messages go to stderr")
    return made


def parse(made: argparse.ArgumentParser, words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The parsed arguments, and the KEY=VALUE words, which may stand anywhere.

    Raises:
        SystemExit: with 2 for wrong arguments, with 0 after --help.
    """
    overrides, others = split(words)
    return made.parse_args(others), overrides
