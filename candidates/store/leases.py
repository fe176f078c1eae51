"""Leases on work: of several processes that want to evaluate the same thing, one does, and the others wait for it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, select, update

from candidates.store import owner, schema
from candidates.store.records import Subject
from candidates.store.section import Section, now
from evaluator.errors import StoreError

LEASE_SECONDS = 60.0  # after which a lease that nobody renewed is another's to take
_RENEWALS = 3  # attempts within that time, so that one that fails costs nothing
_POLL_SECONDS = 0.25


class Leases(Section):
    """Who is at work on what."""

    @contextmanager
    def lease(self, subject: Subject, waiting: Callable[[], None] = lambda: None) -> Iterator[bool]:
        """Be the only one at work on `subject` for the length of the block; wait as long as another process is.

        A lease is renewed while the block runs. One whose owner has died is taken over: at once where that can be seen
        (the same machine), else when it expires.

        Args:
            subject: what is to be worked on.
            waiting: called once if there is another.

        Yields:
            Whether there was another: its result may be in the store now.
        """
        me, waited = owner.this_process(), False
        while not self._take(subject, me):
            if not waited:
                waiting()
            waited = True
            time.sleep(_POLL_SECONDS)
        ended = threading.Event()
        renewal = threading.Thread(target=self._renew, args=(subject, me, ended), name="lease", daemon=True)
        renewal.start()
        try:
            yield waited
        finally:
            ended.set()
            renewal.join()
            with self._database.write() as connection:
                connection.execute(delete(schema.leases).where(*_is(subject), schema.leases.c.owner == me))

    def _take(self, subject: Subject, me: str) -> bool:
        """Whether the lease is ours now: it was free, expired, or left behind by a process that has ended."""
        table = schema.leases
        with self._database.write() as connection:
            held = connection.execute(select(table.c.owner, table.c.expires).where(*_is(subject))).first()
            if held is None:
                connection.execute(insert(table).values(**asdict(subject), owner=me, expires=_expiry()))
                return True
            if held.expires > now() and not owner.is_gone(held.owner):
                return False
            connection.execute(update(table).where(*_is(subject)).values(owner=me, expires=_expiry()))
            return True

    def _renew(self, subject: Subject, me: str, ended: threading.Event) -> None:
        """Put the lease's end off, again and again, until the work has ended or the lease is another's."""
        table = schema.leases
        while not ended.wait(LEASE_SECONDS / _RENEWALS):
            query = update(table).where(*_is(subject), table.c.owner == me).values(expires=_expiry())
            try:
                with self._database.write() as connection:
                    if connection.execute(query).rowcount == 0:
                        return
            except StoreError:
                continue  # a full disk, say: whoever does the work comes to it too, and says so


def _is(subject: Subject) -> tuple[ColumnElement[bool], ...]:
    columns = schema.leases.c
    return (
        columns.digest == subject.digest,
        columns.task_digest == subject.task_digest,
        columns.fingerprint == subject.fingerprint,
    )


def _expiry() -> str:
    return (datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)).isoformat(timespec="microseconds")
