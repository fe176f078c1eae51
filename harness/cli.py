"""The command line: the first word names a command, whose module is imported only then."""

import difflib
import gc
import importlib
import sys
from collections.abc import Sequence

from evaluator.errors import UsageError
from harness.boundary import DONE, guarded

COMMANDS = {
    "run": "search for a faster kernel, stage by stage",
    "fork": "go on from a saved candidate in a run of its own",
    "evaluate": "one verdict for one candidate file",
    "prompt": "print exactly what a model would be sent, and send nothing",
    "estimate": "what a run would cost and how long it would take, from earlier ones",
    "leaderboard": "ranked candidates per task and device",
    "show": "source, verdict, timings, profile and origin of a candidate",
    "diff": "what differs between two candidates",
    "lineage": "how a candidate came about",
    "replay": "evaluate saved candidates again on this machine",
    "export": "write a candidate as a standalone module",
    "tasks": "the tasks that are bundled, and with --lint what is wrong with one",
    "redteam": "which cheats a task would let pass",
    "calibrate": "what this machine's GPU reaches, and the smallest gain that can be seen on it",
    "doctor": "what works on this machine, and how to mend the rest",
}
COMPLETION = ("-sc", "--shell_completion", "--shell-completion")
EXIT_CODES = "Exit codes: 0 done, 1 the candidate did not verify, 2 wrong usage, 3 the harness or the machine failed."


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words of the command line ask for; the exit code.

    `--debug`, wherever it stands, shows tracebacks.
    """
    given = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in given
    return guarded(lambda: dispatch([word for word in given if word != "--debug"], debug), debug)


def dispatch(words: list[str], debug: bool) -> int:
    """Hand the words over to the command that the first one names."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return DONE
    if words[0] == "--version":
        print(f"harness {version()}")
        return DONE
    name, rest = ("run", words) if words[0] in COMPLETION else (words[0], words[1:])
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        hint = f"Did you mean: harness {near[0]}? " if near else ""
        if "=" in name:
            hint = f"Did you mean: harness run {name}? "
        raise UsageError(f"There is no command '{name}'.", f"{hint}harness --help lists the commands.")
    gc.disable()  # what is imported stays: looking for garbage among it is a tenth of the time to start
    command = importlib.import_module(f"harness.commands.{name}")
    gc.enable()
    return int(command.main(rest, debug))


def overview() -> str:
    """The help that lists all commands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "harness COMMAND [arguments]",
            "",
            *lines,
            "",
            "harness COMMAND --help says more. --debug shows tracebacks.",
            "Settings are given as KEY=VALUE behind any command; harness run --help lists them.",
            EXIT_CODES,
        ]
    )


def version() -> str:
    """The version of the installed package."""
    from importlib import metadata  # slow to import, and seldom needed

    try:
        return metadata.version("triton-harness")
    except metadata.PackageNotFoundError:
        return "(not installed)"
