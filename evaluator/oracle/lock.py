"""One GPU, one oracle at a time: a lock file keyed by the GPU's UUID, so that two runs take turns."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluator.errors import MachineError


@contextmanager
def hold(uuid: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the GPU for the duration of the block; `waiting` is called once if another run has it.

    Raises:
        MachineError: the lock file can't be opened.
    """
    path = Path(tempfile.gettempdir()) / f"harness-gpu-{uuid}.lock"
    fd = _open(path)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    """Open the file that is there, whoever made it: in a sticky folder O_CREAT on another user's file is refused."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise MachineError(f"the GPU lock {path} can't be opened: {error.strerror}", "Remove it.") from error
    try:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise MachineError(f"the GPU lock {path} can't be made: {error.strerror}", "Set TMPDIR.") from error
