"""Tasks, verdicts, baselines and profiles."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter
from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection, Row

from candidates.store import schema
from candidates.store.records import StoredVerdict
from candidates.store.section import Section, insert_new, now, read
from candidates.store.summary import Summary
from evaluator.errors import UsageError
from evaluator.tasks import Task
from evaluator.verdict import Profile, Status, Timing, Verdict

_Mode = Literal["eager", "compile"]
_TIMINGS: TypeAdapter[dict[_Mode, Timing]] = TypeAdapter(dict[_Mode, Timing])


class Results(Section):
    """What the evaluator found."""

    def put_task(self, task: Task) -> None:
        """Save a task, so that a verdict can be reached again without the file that the task came from."""
        with self._database.write() as connection:
            _insert_task(connection, task)

    def task(self, digest: str) -> Task:
        """A saved task, by its digest."""
        table = schema.tasks
        with self._database.read() as connection:
            body = connection.execute(select(table.c.body).where(table.c.digest == digest)).scalar()
        if body is None:
            raise UsageError(f"There is no task {digest} in the store.", "Name its file with --task PATH.")
        return read(Task, body)

    def put_verdict(self, digest: str, task: Task, fingerprint: str, verdict: Verdict) -> None:
        """Save a verdict on a saved candidate. Earlier ones stay; the newest answers for its fingerprint."""
        row = {
            "digest": digest,
            "task_digest": task.digest,
            "task_name": task.name,
            "fingerprint": fingerprint,
            "device": verdict.device,
            "status": str(verdict.status),
            "checked_on": verdict.evidence.checked_on or "",
            "created": now(),
            "body": verdict.model_dump_json(),
            "summary": Summary.of(verdict).write() if verdict.status is Status.VERIFIED else "",
        }
        with self._database.write() as connection:
            _insert_task(connection, task)
            connection.execute(insert(schema.verdicts).values(row))

    def verdict(self, digest: str, task_digest: str, fingerprint: str) -> Verdict | None:
        """The newest verdict on a candidate for this task, device and software; None if there is none."""
        table = schema.verdicts
        query = (
            select(table.c.body)
            .where(table.c.digest == digest, table.c.task_digest == task_digest, table.c.fingerprint == fingerprint)
            .order_by(table.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            body = connection.execute(query).scalar()
        return None if body is None else read(Verdict, body)

    def verdicts(self, digest: str = "", task: str = "", status: str = "") -> tuple[StoredVerdict, ...]:
        """All verdicts, oldest first; only those on one candidate, on one task (name), with one status."""
        table = schema.verdicts
        query = select(table).order_by(table.c.id)
        for column, value in ((table.c.digest, digest), (table.c.task_name, task), (table.c.status, status)):
            query = query.where(column == value) if value else query
        with self._database.read() as connection:
            return tuple(_stored_verdict(row) for row in connection.execute(query))

    def put_baseline(self, task_digest: str, fingerprint: str, baseline: Mapping[str, Timing]) -> None:
        """Save reference times by mode; what is known for other modes stays."""
        table = schema.baselines
        with self._database.write() as connection:
            where = (table.c.task_digest == task_digest, table.c.fingerprint == fingerprint)
            body = connection.execute(select(table.c.body).where(*where)).scalar()
            known = _TIMINGS.validate_json(body) if body else {}
            text = _TIMINGS.dump_json(_TIMINGS.validate_python({**known, **baseline})).decode()
            if body:
                connection.execute(update(table).where(*where).values(body=text))
            else:
                row = {"task_digest": task_digest, "fingerprint": fingerprint, "body": text}
                connection.execute(insert(table).values(row))

    def baseline(self, task_digest: str, fingerprint: str) -> dict[_Mode, Timing]:
        """Reference times by mode; empty if none were measured."""
        table = schema.baselines
        query = select(table.c.body).where(table.c.task_digest == task_digest, table.c.fingerprint == fingerprint)
        with self._database.read() as connection:
            body = connection.execute(query).scalar()
        return _TIMINGS.validate_json(body) if body else {}

    def put_profile(self, digest: str, task_digest: str, fingerprint: str, profile: Profile) -> None:
        """Save a profile of a saved candidate, in place of an earlier one."""
        table = schema.profiles
        subject = {"digest": digest, "task_digest": task_digest, "fingerprint": fingerprint}
        body = self._blobs.put(profile.model_dump_json())
        with self._database.write() as connection:
            where = [table.c[name] == value for name, value in subject.items()]
            if connection.execute(update(table).where(*where).values(body=body)).rowcount == 0:
                connection.execute(insert(table).values({**subject, "body": body}))

    def profile(self, digest: str, task_digest: str, fingerprint: str) -> Profile | None:
        """The profile of a candidate for this task, device and software; None if there is none."""
        table = schema.profiles
        query = select(table.c.body).where(
            table.c.digest == digest, table.c.task_digest == task_digest, table.c.fingerprint == fingerprint
        )
        with self._database.read() as connection:
            name = connection.execute(query).scalar()
        return None if name is None else read(Profile, self._blobs.get(name))

    def profiles(self, task_digest: str, fingerprint: str) -> tuple[Profile, ...]:
        """All profiles for this task, device and software."""
        table = schema.profiles
        query = select(table.c.body).where(table.c.task_digest == task_digest, table.c.fingerprint == fingerprint)
        with self._database.read() as connection:
            names = connection.execute(query).scalars().all()
        return tuple(read(Profile, self._blobs.get(name)) for name in names)


def _insert_task(connection: Connection, task: Task) -> None:
    row = {"digest": task.digest, "name": task.name, "body": task.model_dump_json()}
    insert_new(connection, schema.tasks, row)


def _stored_verdict(row: "Row[Any]") -> StoredVerdict:
    return StoredVerdict(
        digest=row.digest,
        task_name=row.task_name,
        task_digest=row.task_digest,
        fingerprint=row.fingerprint,
        verdict=read(Verdict, row.body),
        created=datetime.fromisoformat(row.created),
    )
