"""Runs and their logs."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Row

from candidates.store import schema
from candidates.store.records import Ask, RunRecord, State, Step
from candidates.store.section import Section, now, only, read
from evaluator.errors import StoreError


class Runs(Section):
    """What was asked for, and the log of what was done about it."""

    def open_run(self, key: str, settings: Mapping[str, Any], fresh: bool = False) -> RunRecord:
        """The latest run with that key, finished or not; a new one if there is none or `fresh` is set."""
        table = schema.runs
        with self._database.write() as connection:
            newest = select(table).where(table.c.key == key).order_by(table.c.created.desc()).limit(1)
            row = None if fresh else connection.execute(newest).first()
            if row is not None:
                return _run(row)
            values = {"id": secrets.token_hex(4), "key": key, "state": "running", "created": now(), "reason": ""}
            values["settings"] = json.dumps(settings, default=str)
            connection.execute(insert(table).values(values))
            return _run(connection.execute(select(table).where(table.c.id == values["id"])).one())

    def close_run(self, id: str, state: State, reason: str) -> None:
        """Say how a run ended, or with `running` that it goes on."""
        table = schema.runs
        with self._database.write() as connection:
            changed = connection.execute(update(table).where(table.c.id == id).values(state=state, reason=reason))
            if changed.rowcount == 0:
                raise StoreError(f"There is no run {id} in the store.")

    def run(self, prefix: str) -> RunRecord:
        """The run whose id begins with `prefix`.

        Raises:
            UsageError: it matches no run, or several.
        """
        runs = {record.id: record for record in self.runs()}
        start = prefix.strip().lower()
        return runs[only([id for id in runs if start and id.startswith(start)], prefix, "run")]

    def runs(self) -> tuple[RunRecord, ...]:
        """All runs, oldest first."""
        table = schema.runs
        with self._database.read() as connection:
            return tuple(_run(row) for row in connection.execute(select(table).order_by(table.c.created, table.c.id)))

    def add_ask(self, run_id: str, ask: Ask) -> None:
        """Append an ask to a run's log. A second one with the same number is refused: two processes share the run."""
        row = {"run": run_id, "number": ask.number, "after": ask.after, "created": now(), "body": ask.model_dump_json()}
        with self._database.write() as connection:
            connection.execute(insert(schema.asks).values(row))

    def change_ask(self, run_id: str, ask: Ask) -> None:
        """Save what became of the attempts at an ask (`lost`, `open`); its place in the log stays."""
        table = schema.asks
        with self._database.write() as connection:
            where = (table.c.run == run_id, table.c.number == ask.number)
            connection.execute(update(table).where(*where).values(body=ask.model_dump_json()))

    def asks(self, run_id: str) -> tuple[Ask, ...]:
        """Everything that a run has asked for, in order."""
        table = schema.asks
        with self._database.read() as connection:
            bodies = connection.execute(select(table.c.body).where(table.c.run == run_id).order_by(table.c.number))
            return tuple(read(Ask, body) for body in bodies.scalars())

    def add_step(self, run_id: str, step: Step) -> None:
        """Append a step to a run's log. A second step with the same index is refused: two processes share the run."""
        verdict = step.verdict
        row = {
            "run": run_id,
            "position": step.index,
            "stage": step.stage,
            "candidate": step.candidate or None,
            "parent": step.parent or None,
            "proposer": step.proposer,
            "change": step.change.replace("\0", "\\x00"),  # which PostgreSQL can't hold; the body escapes it
            "decision": step.decision,
            "task": verdict.task if verdict else "",
            "device": verdict.device if verdict else "",
            "status": str(verdict.status) if verdict else "",
            "created": now(),
            "body": step.model_copy(update={"run": run_id}).model_dump_json(),
        }
        with self._database.write() as connection:
            connection.execute(insert(schema.steps).values(row))

    def steps(self, run_id: str) -> tuple[Step, ...]:
        """The log of a run, in order."""
        table = schema.steps
        with self._database.read() as connection:
            bodies = connection.execute(select(table.c.body).where(table.c.run == run_id).order_by(table.c.position))
            return tuple(read(Step, body) for body in bodies.scalars())

    def lineage(self, digest: str) -> tuple[Step, ...]:
        """The steps in which a candidate or one of its ancestors was proposed, oldest first."""
        table = schema.steps
        found: dict[int, Step] = {}
        pending, seen = {digest}, {digest}
        with self._database.read() as connection:
            while pending:
                query = select(table.c.id, table.c.body).where(table.c.candidate.in_(pending))
                new = {row.id: read(Step, row.body) for row in connection.execute(query)}
                found |= new
                pending = {parent for step in new.values() for parent in step.parents} - seen
                seen |= pending
        return tuple(found[id] for id in sorted(found))


def _run(row: "Row[Any]") -> RunRecord:
    return RunRecord.model_validate({**row._mapping, "settings": json.loads(row.settings)})
