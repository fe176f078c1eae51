"""A user id that nobody else has: what a sandbox started by root becomes, and is counted as."""

import os
import pwd
import secrets
from pathlib import Path

from evaluator.errors import MachineError

# Above what distributions, systemd and container runtimes hand out, below what 32-bit signed arithmetic takes for -1.
_UNUSED = range(1_879_048_192, 2_147_483_647)
_ATTEMPTS = 64


def unused_uid() -> int:
    """A random uid that is mapped here, has no account, and owns no process; its group of the same number likewise.

    Each sandbox has one of its own, so that process counts are not shared and none can signal another.

    Raises:
        MachineError: this is a container whose user namespace maps too few users.
    """
    ranges = [_common(uids, gids) for uids in mapped("uid_map") for gids in mapped("gid_map")]
    preferred = [_common(each, _UNUSED) for each in ranges]
    choices = max(preferred, key=len, default=range(0)) or max(ranges, key=len, default=range(0))
    # Of a small range take the upper half: accounts are made from below.
    choices = choices[len(choices) // 2 :]
    running = _uids_of_processes()
    for _ in range(_ATTEMPTS if len(choices) > 1 else 0):
        uid = choices[secrets.randbelow(len(choices))]
        if uid not in running and not _has_account(uid):
            return uid
    raise MachineError(
        "There is no unused user id that a candidate could run as: this container maps only a few.",
        "Run as an ordinary user, or start the container with a full range of user ids.",
    )


def mapped(name: str) -> list[range]:
    """The ids that exist in this user namespace, from /proc/self/uid_map or gid_map."""
    lines = Path("/proc/self", name).read_text().splitlines()
    return [range(int(first), int(first) + int(count)) for first, _, count in (line.split() for line in lines)]


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start, 1), max(min(one.stop, other.stop), 1))


def _uids_of_processes() -> set[int]:
    uids = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                uids.add(entry.stat().st_uid)
            except FileNotFoundError:
                continue  # ended meanwhile
    return uids


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
