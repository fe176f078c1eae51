"""Short answers about everything in the store, from indexed columns alone."""

from typing import Any

from sqlalchemy import select

from candidates.store import schema
from candidates.store.records import Outcome, Provenance
from candidates.store.section import Section


class Overview(Section):
    """What a board needs beside the verdicts."""

    def provenances(self) -> dict[tuple[str, str], Provenance]:
        """By candidate and task (name): where it was first proposed."""
        table = schema.steps
        columns = [table.c[name] for name in ("id", "run", "stage", "candidate", "parent", "proposer", "change")]
        query = select(*columns, table.c.decision, table.c.task).where(table.c.candidate.is_not(None))
        found: dict[tuple[str, str], Provenance] = {}
        with self._database.read() as connection:
            for row in connection.execute(query.order_by(table.c.id)):
                key = (row.candidate, row.task)
                found[key] = _joined(found.get(key), row)
        return found

    def outcomes(self) -> tuple[Outcome, ...]:
        """Every outcome, oldest first: verdicts, and failures of steps that gave no code or were never evaluated."""
        verdicts, steps = schema.verdicts, schema.steps
        columns = [steps.c[name] for name in ("id", "candidate", "task", "device", "status")]
        with self._database.read() as connection:
            logged = connection.execute(select(*columns).where(steps.c.status != "").order_by(steps.c.id)).all()
            names = ("digest", "task_name", "device", "status", "checked_on")
            judged = connection.execute(select(*[verdicts.c[name] for name in names]).order_by(verdicts.c.id)).all()
        known = {(row.digest, row.task_name, row.device) for row in judged}
        alone = [row for row in logged if (row.candidate, row.task, row.device) not in known]
        return (
            *(_outcome(row.candidate or f"step {row.id}", row.task, row, trusted=False) for row in alone),
            *(_outcome(row.digest, row.task_name, row, trusted=row.checked_on == "device") for row in judged),
        )


def _joined(first: Provenance | None, row: Any) -> Provenance:
    nominated = row.id if row.decision == "nominated" else 0
    if first is not None:
        return first.model_copy(update={"nominated": max(first.nominated, nominated)})
    return Provenance(
        candidate=row.candidate,
        task=row.task,
        run=row.run,
        stage=row.stage,
        proposer=row.proposer,
        change=row.change,
        parents=(row.parent,) if row.parent else (),
        nominated=nominated,
    )


def _outcome(subject: str, task: str, row: Any, trusted: bool) -> Outcome:
    return Outcome(subject=subject, task=task, device=row.device, status=row.status, trusted=trusted)
