"""The processes of a sandbox as the host's /proc shows them: who they are, what they use, stopping all of them.

Each sandbox is looked at twenty times a second, in threads of a process that keeps time: what has many entries is
listed with `os`, in a third of pathlib's time.
"""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path

# A process may end between being listed and being looked at; that is no error anywhere in this module. Others can't be
# looked at (made non-dumpable by a candidate): what can be read of them then counts.
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def descendants(pid: int) -> list[int]:
    """The ids of all processes below `pid`, parents before children. Orphans stay below: bubblewrap reaps them."""
    below = _children if _has_children_files() else _Scan()
    found: list[int] = []
    pending = [pid]
    while pending:
        born = below(pending.pop())
        found += born
        pending += born
    return found


def children(pid: int) -> list[int]:
    """The ids of the processes directly below `pid`."""
    return (_children if _has_children_files() else _Scan())(pid)


def count_tasks(pids: Collection[int]) -> int:
    """Processes and threads of `pids`."""
    total = 0
    for pid in pids:
        try:
            total += len(os.listdir(f"/proc/{pid}/task"))
        except _GONE:
            continue
    return total


def memory_bytes(pids: Collection[int], enough: int, lent: Collection[tuple[int, int]] = ()) -> int:
    """Bytes of anonymous and shared memory that `pids` hold.

    Pages that forks share are counted once for each of them at first, which is quick; only if that comes to more than
    `enough` is the exact figure worked out, which is slow. `lent` are (st_dev, st_ino) of memory that belongs to the
    caller. A memory file that is both open and mapped counts twice; memory that is neither (in flight between sockets,
    say) can't be seen from here.
    """
    in_files = _memory_files(pids, lent)
    quick = sum(_resident(pid) for pid in pids) + in_files
    return quick if quick <= enough else sum(_proportional(pid) for pid in pids) + in_files


def deleted_bytes(pids: Collection[int], device: int) -> int:
    """Bytes in files on the file system `device` (st_dev) that `pids` hold open though they were deleted."""
    return _open_bytes(pids, lambda name: name.endswith(" (deleted)"), lambda status: status.st_dev == device)


def host_uid(pid: int) -> int:
    """The real uid of a process as the host sees it.

    Raises:
        OSError: it has ended.
    """
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Uid:"))
    return int(line.split()[1])


def stop(pid: int, seconds: float) -> bool:
    """Stop everything below `pid`; True once all of it stands still, False if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    stopped: set[int] = set()
    while fresh := set(descendants(pid)) - stopped:
        for each in fresh:
            send(each, signal.SIGSTOP)
        # Until it stands still a process can have another child, which the next look finds.
        while not all(map(_stands_still, fresh)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        stopped |= fresh
    return True


def resume(pid: int) -> None:
    """Let everything below `pid` go on."""
    for each in descendants(pid):
        send(each, signal.SIGCONT)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; nothing happens if the process has ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except _GONE:
        return found
    return found


def _stands_still(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TtZX"
    except _GONE:
        return True


@cache
def _has_children_files() -> bool:
    """False on kernels built without CONFIG_PROC_CHILDREN."""
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


class _Scan:
    """Children by parent, from one pass over all processes."""

    def __init__(self) -> None:
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        for name in (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()):
            try:
                # The command's name stands in parentheses and may itself hold some.
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except _GONE:
                continue
            self._children[int(fields[1])].append(int(name))

    def __call__(self, pid: int) -> list[int]:
        return list(self._children[pid])


def _resident(pid: int) -> int:
    return _sum_kb(f"/proc/{pid}/status", ("RssAnon:", "RssShmem:")) * 1024


def _proportional(pid: int) -> int:
    total = _sum_kb(f"/proc/{pid}/smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) * 1024
    return total or _resident(pid)


def _sum_kb(path: str, names: tuple[str, ...]) -> int:
    try:
        lines = Path(path).read_text().splitlines()
    except _GONE:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(names))


def _memory_files(pids: Collection[int], lent: Collection[tuple[int, int]]) -> int:
    """Bytes in memory files that are open: no process' resident memory shows them unless they are mapped."""
    return _open_bytes(
        pids,
        lambda name: name.startswith("/memfd:"),
        lambda status: (status.st_dev, status.st_ino) not in lent,
    )


def _open_bytes(
    pids: Collection[int], is_meant: Callable[[str], bool], counts: Callable[[os.stat_result], bool]
) -> int:
    """Bytes in the open files of that name and kind, each counted once."""
    sizes: dict[tuple[int, int], int] = {}
    for pid in pids:
        try:
            for number in os.listdir(f"/proc/{pid}/fd"):
                link = f"/proc/{pid}/fd/{number}"
                if is_meant(os.readlink(link)) and counts(status := os.stat(link)):
                    sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
        except _GONE:
            continue
    return sum(sizes.values())
