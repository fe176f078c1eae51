"""SQLite files that may be read but not written: on a medium that is read-only, or of another user.

A database with a write-ahead log wants to make files beside itself even for reading. Where it can't, what is in the
file itself is whole as long as no log is left beside it.
"""

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from evaluator.errors import StoreError


def is_so(path: Path) -> bool:
    """Whether the file is there and this process can read it, but make no files beside it."""
    return os.access(path, os.R_OK) and not os.access(path.parent, os.W_OK)


def connect(path: Path, check_same_thread: bool = True) -> sqlite3.Connection:
    """A connection that only reads.

    Raises:
        StoreError: a log beside the file holds what was saved last: whoever wrote it still runs, or was killed.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreError(
            f"{path} can't be read where it can't be written: what was saved last is still in {log.name}.",
            "Copy the whole folder to a place that you can write to, and name that with store.root=PATH.",
        )
    address = f"file:{quote(str(path))}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, check_same_thread=check_same_thread)
