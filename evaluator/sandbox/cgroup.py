"""Control groups (version 2) around a sandbox: limits that the kernel keeps, freezing, killing at one stroke.

Everything here is optional: where no group may be made, or a controller is not handed down, the sandbox does without
and says so. Groups are made below the caller's own, or in one that was handed to the caller: by a systemd user session,
or by name in the variable HARNESS_CGROUP. Anywhere else a sandbox would escape what somebody set up around the harness.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evaluator.errors import MachineError
from evaluator.sandbox import held

_PREFIX = "kernel-sandbox"
VARIABLE = "HARNESS_CGROUP"
_CONTROLLERS = ("memory", "pids")


@dataclass(frozen=True)
class Cgroup:
    """One group, made for one sandbox; `hold` keeps others from removing it."""

    path: Path
    hold: held.Hold

    @classmethod
    def create(cls, memory_bytes: int, tasks: int) -> "Cgroup | None":
        """A new group with those limits, as far as they can be set; None if this machine allows no group."""
        parent = find_parent()
        if parent is None:
            return None
        _sweep(parent)
        try:
            group = cls(*held.make(parent, _PREFIX))
        except OSError:
            return None
        group._write("memory.max", memory_bytes)
        group._write("memory.swap.max", 0)
        group._write("memory.oom.group", 1)
        group._write("pids.max", tasks)
        return group

    @property
    def limits_memory(self) -> bool:
        return (self.path / "memory.max").exists()

    @property
    def limits_processes(self) -> bool:
        return (self.path / "pids.max").exists()

    @property
    def freezes(self) -> bool:
        return (self.path / "cgroup.freeze").exists()

    def entering(self, command: list[str]) -> list[str]:
        """`command`, started by a shell that first joins this group, so that nothing ever runs outside it."""
        return ["/bin/sh", "-c", 'echo 0 > "$0" && exec "$@"', str(self.path / "cgroup.procs"), *command]

    def tasks(self) -> int | None:
        """Processes and threads in the group; None without the pids controller."""
        try:
            return int((self.path / "pids.current").read_text())
        except OSError:
            return None

    def ran_out_of_memory(self) -> bool:
        """True once the kernel has killed for `memory.max`."""
        return self._events("memory.events").get("oom_kill", 0) > 0

    def freeze(self, seconds: float) -> bool:
        """Freeze all processes; True once they stand still, False if they don't within `seconds`."""
        if not self._write("cgroup.freeze", 1):
            return False
        deadline = time.monotonic() + seconds
        while self._events("cgroup.events").get("frozen") != 1:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        return True

    def thaw(self) -> bool:
        return self._write("cgroup.freeze", 0)

    def kill(self) -> bool:
        """Kill every process in the group; False where the kernel can't (before 5.14)."""
        return self._write("cgroup.kill", 1)

    def remove(self) -> None:
        """Remove the group, for good; it may take the kernel a moment to see that it is empty."""
        self.hold.release()
        for _ in range(100):
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.005)
            else:
                return

    def _write(self, name: str, value: int) -> bool:
        try:
            (self.path / name).write_text(str(value))
        except OSError:
            return False
        return True

    def _events(self, name: str) -> dict[str, int]:
        try:
            lines = (self.path / name).read_text().splitlines()
        except OSError:
            return {}
        return {key: int(value) for key, value in (line.split() for line in lines)}


@cache
def find_parent() -> Path | None:
    """The group in which sandboxes' groups are made: the nearest with the most controllers; None if there is none.

    Raises:
        MachineError: the group that HARNESS_CGROUP names can't be used.
    """
    usable = [(sum(_handed_down(parent)), -order, parent) for order, parent in enumerate(_candidates())]
    usable = [each for each in usable if _can_make_groups(each[2])]
    if not usable and VARIABLE in os.environ:
        raise MachineError(
            f"{VARIABLE} names {os.environ[VARIABLE]}, in which no control group can be made.",
            f"Make it and allow this user to write in it, or unset {VARIABLE}.",
        )
    return max(usable)[2] if usable else None


def _candidates() -> Iterator[Path]:
    if VARIABLE in os.environ:
        yield Path(os.environ[VARIABLE])
        return
    own = _own_group()
    if own is None:
        return
    with suppress(OSError):
        # Refused, without effect, where processes sit in the group itself (all but the root group).
        (own / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in _CONTROLLERS))
    yield own
    # A systemd user session hands a whole tree to its user; terminals and services are leaves of it.
    if os.geteuid() != 0 and own.parent.exists() and own.parent.stat().st_uid == os.geteuid():
        yield own.parent


def _own_group() -> Path | None:
    """The caller's own version 2 group as a folder; None without a mount of version 2 that shows it."""
    name = next((line[3:] for line in _lines("/proc/self/cgroup") if line.startswith("0::")), None)
    for line in _lines("/proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2" and name is not None:
            root, mount = before.split()[3:5]
            if name == root or name.startswith(root.rstrip("/") + "/"):
                return Path(os.path.normpath(f"{mount}/{os.path.relpath(name, root)}"))
    return None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _handed_down(parent: Path) -> list[bool]:
    enabled = " ".join(_lines(str(parent / "cgroup.subtree_control"))).split()
    return [name in enabled for name in _CONTROLLERS]


def _can_make_groups(parent: Path) -> bool:
    """Joining a group needs the right to write in the group that is left, too: os.access asks for both."""
    return os.access(parent, os.W_OK) and os.access(parent / "cgroup.procs", os.W_OK)


def _sweep(parent: Path) -> None:
    """Remove the empty groups that callers who were killed left behind."""
    for leftover in held.left_behind(parent, _PREFIX):
        with suppress(OSError):
            leftover.rmdir()
