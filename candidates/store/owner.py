"""Which process this is, in a word that other processes can read, and whether the one that a word names still lives."""

import os
from functools import cache
from pathlib import Path

_DEAD = "ZX"  # states in /proc: a zombie does nothing any more
_HIDDEN = "hidden"


def this_process() -> str:
    """`PLACE PID START`: where process IDs mean the same, the ID, and when it was given out."""
    return f"{_place()} {os.getpid()} {_start(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether that process has certainly ended; False where nothing can be known, as of one in another place."""
    place, _, rest = owner.partition(" ")
    pid, _, start = rest.partition(" ")
    if place != _place() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)  # asks only: /proc may hide the processes of other users
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return _start(int(pid)) not in (start, _HIDDEN)


@cache
def _place() -> str:
    """The boot of the machine and the namespace of process IDs: a container has its own."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink().name.strip('pid:[]')}"


def _start(pid: int) -> str:
    """Clock ticks from the boot to the start of a process; a word for one that is dead, or can't be looked at."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return _HIDDEN
    return "dead" if fields[0] in _DEAD else fields[19]
