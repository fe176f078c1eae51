"""A look at a store in a folder through Python's own SQLite: SQLAlchemy takes longer to import than a board to make."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from candidates.store import faults, unwritable
from candidates.store.overview import Overview
from candidates.store.revision import REVISION, VERSION_TABLE


class Glance(Overview):
    """An overview over a connection to a database of the current revision."""

    def __init__(self, connection: sqlite3.Connection, where: str) -> None:
        self._connection = connection
        self._where = where

    def _rows(self, query: str) -> Sequence[Sequence[Any]]:
        with faults.sqlite(self._where):
            return self._connection.execute(query).fetchall()


@contextmanager
def overview(url: str, root: Path) -> Iterator[Overview]:
    """An overview of the store that is there; `url` and `root` as for Store.open.

    Whatever is not a SQLite file of the current revision is opened whole, which migrates it or says what is wrong.

    Raises:
        StoreError: it belongs to another program or to a newer version, or can't be read.
    """
    path = Path(root).expanduser().absolute() / "harness.db"
    connection = None if url else _current(path)
    if connection is not None:
        with closing(connection):
            yield Glance(connection, str(path))
        return
    from candidates.store.store import Store

    with Store.open(url, root) as store:
        yield store


def _current(path: Path) -> sqlite3.Connection | None:
    """A connection that only reads; None if the file is not a store of this revision."""
    try:
        if unwritable.is_so(path):
            connection = unwritable.connect(path)
        else:
            connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    except sqlite3.Error:
        return None
    try:
        found = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall()
    except sqlite3.Error:
        found = []
    if found == [(REVISION,)]:
        return connection
    connection.close()
    return None
