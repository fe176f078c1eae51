"""The connection to the database: opening it, telling whose it is, transactions."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import URL, event, exc
from sqlalchemy.engine import Connection, Engine

from candidates.store import faults, unwritable
from candidates.store.revision import REVISION, VERSION_TABLE
from evaluator.errors import StoreError

BUSY_SECONDS = 30.0  # how long a writer waits for another one
_SWITCH_SECONDS = 10.0
_WRITERS = 0x6861726E657373  # number of the advisory lock: "harness"

_SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


class Database:
    """A migrated database. Reads and writes are short; a write waits at its start until it is the only one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.where = _shown(engine)

    @classmethod
    def open(cls, url: str) -> "Database":
        """Open, create or migrate the database at a SQLAlchemy URL.

        Raises:
            StoreError: it belongs to another program or a newer version, or can't be read or written.
        """
        try:
            parsed = _with_driver(sqlalchemy.make_url(url))
            engine = sqlalchemy.create_engine(parsed, **_options(parsed))
        except exc.SQLAlchemyError as error:
            raise StoreError("store.url is not a database URL.", "Write it like postgresql://host/name.") from error
        except ImportError as error:
            problem = f"The driver for this database is not installed: {error.name}."
            remedy = "Install it with pip; for PostgreSQL: pip install 'triton-harness[postgresql]'."
            raise StoreError(problem, remedy) from error
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        opened = cls(engine)
        try:
            with faults.database(opened.where):
                opened._migrate()
        except StoreError:
            opened.close()
            raise
        return opened

    @property
    def dialect(self) -> str:
        return self._engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading."""
        with faults.database(self.where), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, committed at the end unless an exception leaves the block."""
        with faults.database(self.where), self._writing() as connection:
            yield connection

    def size_bytes(self) -> int | None:
        """How much room it takes; None where the database does not say."""
        query = _SIZES.get(self.dialect)
        if query is None:
            return None
        with self.read() as connection:
            return int(connection.exec_driver_sql(query).scalar_one())

    def close(self) -> None:
        """Give up all connections."""
        self._engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            if self.dialect == "postgresql":
                # One writer at a time, as on SQLite: nothing that is read in a transaction is outdated when it writes,
                # and nobody waits for two things at once.
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(BUSY_SECONDS * 1000)}")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
            yield connection

    def _migrate(self) -> None:
        with self._engine.connect() as connection:
            if self._revision(connection) == REVISION:
                return
        if self.dialect == "sqlite":
            self._use_write_ahead_log()
        with self._writing() as connection:
            if self._revision(connection) != REVISION:  # another process may have been faster
                from candidates.store import migrate  # Alembic takes half a second to import

                migrate.upgrade(connection)

    def _revision(self, connection: Connection) -> str:
        """Revision of the database; empty for an empty one."""
        names = sqlalchemy.inspect(connection).get_table_names()
        if VERSION_TABLE not in names:
            if names:
                raise StoreError(
                    f"{self.where} belongs to another program: it holds the table {sorted(names)[0]}.",
                    "Choose another place with store.root=PATH or store.url=URL; this one was left as it is.",
                )
            return ""
        revision = connection.execute(sqlalchemy.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() or ""
        if str(revision) > REVISION:
            raise StoreError(
                f"{self.where} was written by a newer version of this program "
                f"(revision {revision}; this one knows {REVISION}).",
                "Update this program, or choose another place with store.root=PATH.",
            )
        return str(revision)

    def _use_write_ahead_log(self) -> None:
        """Switch to WAL, which lasts. SQLite does not wait for the lock here, so try for a while."""
        deadline = time.monotonic() + _SWITCH_SECONDS
        while True:
            raw = self._engine.raw_connection()
            try:
                mode = raw.cursor().execute("PRAGMA journal_mode=WAL").fetchone()[0]
                if mode == "wal" or mode == "memory":
                    return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                    raise exc.OperationalError("PRAGMA journal_mode=WAL", None, error) from error
            finally:
                raw.close()
            time.sleep(0.05)


def _with_driver(url: URL) -> URL:
    """The driver that we ask for, where the URL names none and SQLAlchemy's own choice depends on its version."""
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}
    if url.database and not url.query and unwritable.is_so(path := Path(url.database)):
        return {"creator": lambda: unwritable.connect(path, check_same_thread=False)}
    return {"connect_args": {"timeout": BUSY_SECONDS}}


def _prepare_sqlite(engine: Engine) -> None:
    """Explicit transactions: Python's own begin late and deferred, so that two writers can end in a deadlock."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA synchronous=NORMAL")  # under WAL a crash of ours loses nothing
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _shown(engine: Engine) -> str:
    if engine.dialect.name == "sqlite" and engine.url.database:
        return str(Path(engine.url.database))
    host = engine.url.host or engine.url.query.get("host", "")  # nothing else of a URL is safe to show
    return f"The database {engine.url.database or ''} on {host or 'this machine'} ({engine.dialect.name})"
