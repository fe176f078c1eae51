"""Where a process of ours ends: whatever was raised becomes a sentence on stderr and an exit code."""

import errno
import os
import sys
from collections.abc import Callable

from candidates.text import neutralise
from evaluator.errors import HarnessError

DONE, UNVERIFIED, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def guarded(action: Callable[[], int], debug: bool) -> int:
    """The exit code of `action`: its own, or the one that fits what it raised.

    With `debug`, the traceback is shown as well. SystemExit passes (argparse uses it for --help and wrong flags).
    """
    try:
        return action()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain about the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001  this is the boundary of the process
        if debug:
            import traceback

            traceback.print_exc()
        return report(error)


def report(error: Exception) -> int:
    """Print what happened and what to do about it; the exit code that goes with it."""
    if isinstance(error, HarnessError):
        problem, remedy, code = error.problem, error.remedy, error.exit_code
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        problem = f"The disk is full ({error.filename or 'no file named'})."
        remedy = "Make room, or name another place with store.root=PATH. What was saved before is intact."
        code = FAILED
    else:
        problem = f"An unforeseen failure: {type(error).__name__}: {error}"
        remedy = "The same command with --debug shows where; please report it. What was saved before is intact."
        code = FAILED
    print(f"error: {neutralise(problem)}", file=sys.stderr)
    if remedy:
        print(neutralise(remedy), file=sys.stderr)
    return code
