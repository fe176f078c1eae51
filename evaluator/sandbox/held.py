"""Folders that belong to a living process, by a lock that the kernel lets go of when the process dies.

A process number would not do: callers in other process namespaces, of containers that share a folder or the control
groups, have numbers of their own, and would take each other for dead.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


class Hold:
    """What keeps a folder for this process until it is released, or dies."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = _open(folder)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Let the folder go; does nothing the second time."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def make(parent: Path, prefix: str, mode: int = 0o777) -> tuple[Path, Hold]:
    """A new folder and what holds it.

    Raises:
        OSError: it can't be made.
    """
    while True:
        folder = parent / f"{prefix}-{os.getpid()}-{secrets.token_hex(8)}"
        folder.mkdir(mode=mode)
        with suppress(FileNotFoundError):  # somebody took it for left behind before it was held
            hold = Hold(folder)
            if folder.exists():
                return folder, hold
            hold.release()


def left_behind(parent: Path, prefix: str) -> Iterator[Path]:
    """The folders below `parent` that nobody holds any more; those that can't be looked at are left out."""
    for folder in parent.glob(f"{prefix}-*-*"):
        try:
            looking = _open(folder)
        except OSError:
            continue
        try:
            fcntl.flock(looking, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
        except OSError:
            continue
        finally:
            os.close(looking)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
