"""What the parts of the store share: the database, the texts, and how rows become records."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Table, exc, insert, select
from sqlalchemy.engine import Connection

from candidates.store.blobs import Blobs
from candidates.store.database import Database
from evaluator.errors import StoreError, UsageError

_Record = TypeVar("_Record", bound=BaseModel)


class Section:
    """One part of the store's interface."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs


def now() -> str:
    """The time of day in UTC, ISO 8601 with microseconds, so that it sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def read(kind: type[_Record], body: str) -> _Record:
    """A record from its JSON.

    Raises:
        StoreError: it does not fit the type: it was written by another version, or is damaged.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StoreError(
            f"A saved {kind.__name__.lower()} can't be read: {where}: {first['msg']}.",
            "It was written by another version of this program, or is damaged.",
        ) from error


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row unless one with its primary key is there, whoever put it there and when."""
    key = list(table.primary_key.columns)
    if connection.execute(select(*key).where(*(column == row[column.name] for column in key))).first():
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(dict(row)))
    except exc.IntegrityError:
        return  # another process was faster, on a database that does not lock at the start of a write


def only(found: list[str], prefix: str, kind: str) -> str:
    """The one match of a prefix.

    Raises:
        UsageError: there is none, or there are several; a few are listed.
    """
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"No {kind} begins with `{prefix}`.", "List what there is with: harness leaderboard")
    shown = ", ".join(match[:12] for match in found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
    raise UsageError(f"Several {kind}s begin with `{prefix}`: {shown}.", "Give more digits.")


_SHOWN = 8
