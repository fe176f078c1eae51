"""Texts and candidates."""

from sqlalchemy import select

from candidates import identity
from candidates.store import schema
from candidates.store.section import Section, insert_new, now, only
from evaluator.errors import UsageError

_LISTED = 9  # matches of an ambiguous prefix that are fetched


class Sources(Section):
    """Prompts, replies and candidates' sources, by their content."""

    def put_text(self, text: str) -> str:
        """Save a prompt or a reply; returns its hash (64 hex digits)."""
        return self._blobs.put(text)

    def text(self, name: str) -> str:
        """The text with that hash."""
        return self._blobs.get(name)

    def put_candidate(self, source: str) -> str:
        """Save a candidate; returns its digest. Of several sources with one digest the first one stays."""
        digest = identity.digest(source)
        row = {"digest": digest, "source": self._blobs.put(source), "created": now()}
        with self._database.write() as connection:
            insert_new(connection, schema.candidates, row)
        return digest

    def source(self, digest: str) -> str:
        """The source of a candidate, by its full digest."""
        table = schema.candidates
        with self._database.read() as connection:
            name = connection.execute(select(table.c.source).where(table.c.digest == digest)).scalar()
        if name is None:
            raise UsageError(
                f"There is no candidate {digest[:12]} here.", "List what there is with: harness leaderboard"
            )
        return self._blobs.get(name)

    def resolve(self, prefix: str) -> str:
        """The digest that begins with `prefix`.

        Raises:
            UsageError: it matches no candidate, or several (they are listed).
        """
        column = schema.candidates.c.digest
        start = prefix.strip().lower()
        found: list[str] = []
        if start and set(start) <= set("0123456789abcdef"):
            query = select(column).where(column.startswith(start, autoescape=True)).order_by(column).limit(_LISTED)
            with self._database.read() as connection:
                found = list(connection.execute(query).scalars())
        return only(found, prefix, "candidate")
