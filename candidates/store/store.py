"""The store: one database and the texts beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from candidates.store import faults
from candidates.store.blobs import Blobs
from candidates.store.database import Database
from candidates.store.exchanges import Exchanges
from candidates.store.leases import Leases
from candidates.store.overview import Overview
from candidates.store.results import Results
from candidates.store.revision import REVISION
from candidates.store.runs import Runs
from candidates.store.sources import Sources


@dataclass(frozen=True)
class Condition:
    """What a store is made of."""

    database: str  # sqlite, postgresql, ...
    revision: str
    size_bytes: int | None
    text_bytes: int


class Store(Sources, Runs, Exchanges, Results, Leases, Overview):
    """Candidates, runs, steps, exchanges with models, verdicts, baselines and profiles. Two processes may share one.

    Every method may raise StoreError when disk or database fail; what was saved before stays.
    """

    @classmethod
    def open(cls, url: str, root: Path) -> "Store":
        """Open the store below `root`, creating or migrating it as needed; empty `url` means SQLite in `root`.

        Raises:
            StoreError: the database belongs to another program or to a newer version, or can't be read or written.
        """
        root = Path(root).expanduser().absolute()
        with faults.files(root):
            root.mkdir(parents=True, exist_ok=True)
        return cls(Database.open(url or f"sqlite:///{root / 'harness.db'}"), Blobs(root / "blobs"))

    def condition(self) -> Condition:
        """What the database is, how old its tables are, and how much room everything takes."""
        database = self._database
        return Condition(database.dialect, REVISION, database.size_bytes(), self._blobs.size_bytes())

    def close(self) -> None:
        self._database.close()

    def _rows(self, query: str) -> Sequence[Sequence[Any]]:
        with self._database.read() as connection:
            return connection.exec_driver_sql(query).all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
