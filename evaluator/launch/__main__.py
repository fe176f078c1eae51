"""Starts one program restricted for good, waits for it, and leaves nothing of it behind.

`__main__.py PLAN`, where PLAN is JSON: see `Plan`. This process stays outside as the supervisor: whatever the program
starts is, or becomes, its child, and dies when the program ends or this process is told to end (SIGTERM; the end of the
thread that started it). The exit code is the program's, 128 + n for signal n, or 125 if it could not be restricted.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from evaluator.launch import landlock, seccomp

FAILED = 125
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER, _CAPBSET_DROP = 1, 36, 24
_CAPABILITIES = 64  # more than any kernel knows; the first that is unknown ends the list
_LIMITS = {
    "core": resource.RLIMIT_CORE,
    "fsize": resource.RLIMIT_FSIZE,
    "nofile": resource.RLIMIT_NOFILE,
    "nproc": resource.RLIMIT_NPROC,
}


@dataclass(frozen=True)
class Plan:
    """What is to run and what it keeps. Paths are absolute."""

    argv: list[str]
    environment: dict[str, str]
    read: list[str]  # files and folders
    use: list[str]  # files and devices that may be written to as well
    own: str  # the one folder in which it may do what it likes, and where it starts
    limits: dict[str, int]  # resource limits by name
    uid: int | None  # user and group to become; None to stay who this is


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    _prctl(_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(_SET_CHILD_SUBREAPER, 1)
    supervisor = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become(plan, supervisor)
        except OSError as error:
            os.write(2, f"the program could not be restricted: {error}\n".encode())
        os._exit(FAILED)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(_end(128 + signal.SIGTERM)))
    # What was lent is the program's: its end must be seen by whoever holds the other end.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            os._exit(_end(code if code >= 0 else 128 - code))


def _become(plan: Plan, supervisor: int) -> NoReturn:
    """Turn this process into the restricted program.

    Raises:
        OSError: something of it is refused; nothing was started.
    """
    os.setsid()
    os.umask(0o077)
    for name, value in plan.limits.items():
        resource.setrlimit(_LIMITS[name], (value, value))
    _give_up_user(plan.uid)
    # Changing the user clears the signal that a dying parent sends.
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(FAILED)
    os.chdir(plan.own)
    seccomp.give_up_privileges()
    landlock.restrict(
        [
            *((path, landlock.READ) for path in plan.read),
            *((path, landlock.USE) for path in plan.use),
            (plan.own, landlock.OWN),
            # Its own entry alone: those of others show their command lines. CUDA writes the names of its threads there.
            (f"/proc/{os.getpid()}", landlock.READ | landlock.WRITE_FILE),
        ]
    )
    scoped = landlock.abi() >= landlock.SCOPE_ABI
    seccomp.install(seccomp.refusals(shares_user=plan.uid is None, scoped=scoped, pid=os.getpid()))
    os.execve(plan.argv[0], plan.argv, plan.environment)


def _give_up_user(uid: int | None) -> None:
    """Become `uid` and lose every capability, including those that a set-uid program could bring back."""
    if os.geteuid() == 0:
        for capability in range(_CAPABILITIES):
            try:
                _prctl(_CAPBSET_DROP, capability)
            except OSError:
                break
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def _end(code: int) -> int:
    """Kill what is left below this process, and wait until it is gone; returns `code`."""
    while True:
        for pid in _descendants():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return code


def _descendants() -> list[int]:
    """Processes below this one, from the parents that all processes name: every kernel shows these."""
    born: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The command's name stands in parentheses and may itself hold some.
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                born.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    pending = [os.getpid()]
    while pending:
        below = born.get(pending.pop(), [])
        found += below
        pending += below
    return found


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
