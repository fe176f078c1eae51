"""Failures of disk and database, said in words for people."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluator.errors import StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FREE_SPACE = "Free some space, or choose another place with store.root=PATH; what was saved before is intact."
_PERMISSION = "Make it readable and writable for you, or choose another place with store.root=PATH."
_BUSY_ELSEWHERE = "Try again when the other run has ended."
_ELSEWHERE = "Choose another place with store.root=PATH; this file was left as it is."

_SQLITE: tuple[tuple[str, str, str], ...] = (
    ("SQLITE_FULL", "There is no space left for {where}.", _FREE_SPACE),
    ("SQLITE_IOERR", "{where} can't be written or read: a disk error, or no space left.", _FREE_SPACE),
    ("SQLITE_READONLY", "{where} can't be written to.", _PERMISSION),
    ("SQLITE_CANTOPEN", "{where} can't be opened.", _PERMISSION),
    ("SQLITE_PERM", "{where} can't be opened.", _PERMISSION),
    ("SQLITE_NOTADB", "{where} is not a database.", _ELSEWHERE),
    ("SQLITE_CORRUPT", "{where} is damaged.", "Restore it from a backup; the texts in blobs/ do not depend on it."),
    ("SQLITE_BUSY", "{where} is locked by another process for too long.", _BUSY_ELSEWHERE),
    ("SQLITE_LOCKED", "{where} is locked by another process for too long.", _BUSY_ELSEWHERE),
)
"""Beginning of SQLite's name for the error; what to say; what to do."""

_SQLSTATES: dict[str, tuple[str, str]] = {
    "53100": ("There is no space left for {where}.", "Free some space on the server; what was saved before is intact."),
    "53300": ("{where} has no connection left.", "Try again later, or raise max_connections on the server."),
    "55P03": ("{where} is locked by another process for too long.", _BUSY_ELSEWHERE),
    "40P01": ("{where} is locked by another process.", _BUSY_ELSEWHERE),
    "25006": ("{where} can't be written to: it is read-only.", "Name a server that takes writes in store.url."),
    "42501": ("{where} can't be read or written: permission denied.", "Have its owner grant you what is lacking."),
    "57P01": ("{where} was shut down.", "Start it again; the same command goes on from what was saved."),
}
"""PostgreSQL's code for the error -> what to say; what to do."""


@contextmanager
def files(path: Path) -> Iterator[None]:
    """Turn an OSError about a file of the store into a StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreError(f"There is no space left for {path}.", _FREE_SPACE) from error
        raise StoreError(f"{path} can't be used: {error.strerror or error}.", _PERMISSION) from error


@contextmanager
def sqlite(where: str) -> Iterator[None]:
    """Turn an error of Python's own SQLite into a StoreError; `where` names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise _told(where, error) from error


@contextmanager
def database(where: str) -> Iterator[None]:
    """Turn an error of the database into a StoreError; `where` names the database, without a password."""
    from sqlalchemy import exc  # here, because whoever only glances at a store has no use for it

    try:
        yield
    except exc.IntegrityError as error:
        raise StoreError(
            f"{where} refuses an entry: {error.orig}.", "Another process may be working on the same run."
        ) from error
    except exc.DBAPIError as error:
        raise _told(where, error.orig or error) from error
    except sqlite3.Error as error:  # from before SQLAlchemy has a connection to speak of
        raise _told(where, error) from error
    except exc.SQLAlchemyError as error:
        raise StoreError(f"{where} can't be used: {error}.", "Check store.url.") from error


def _told(where: str, error: BaseException) -> StoreError:
    name = getattr(error, "sqlite_errorname", "")
    for beginning, problem, remedy in _SQLITE:
        if name.startswith(beginning):
            return StoreError(problem.format(where=where), remedy)
    if found := _SQLSTATES.get(getattr(error, "sqlstate", None) or ""):
        return StoreError(found[0].format(where=where), found[1])
    said = str(error).strip().partition("\n")[0].rstrip(".")
    return StoreError(f"{where} can't be used: {said}.", "Check that the database runs, and store.url.")
