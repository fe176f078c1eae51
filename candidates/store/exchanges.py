"""What a model was asked, and what it answered."""

from sqlalchemy import insert, select

from candidates.store import schema
from candidates.store.section import Section, now


class Exchanges(Section):
    """Every exchange with a model's server, under the hash of what determines its answer.

    Asked the same again, a model answers otherwise: each answer is kept, and the latest is the one that is found.
    """

    def put_exchange(self, key: str, request: str, response: str) -> None:
        """Save an exchange. Any number of threads and processes may do so at once."""
        row = {"key": key, "request": self._blobs.put(request), "response": self._blobs.put(response), "created": now()}
        with self._database.write() as connection:
            connection.execute(insert(schema.exchanges).values(row))

    def exchange(self, key: str) -> str | None:
        """The latest response under a key; None if nothing like it was ever asked."""
        table = schema.exchanges
        query = select(table.c.response).where(table.c.key == key).order_by(table.c.id.desc()).limit(1)
        with self._database.read() as connection:
            name = connection.execute(query).scalar()
        return None if name is None else self._blobs.get(name)
