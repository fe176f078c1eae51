"""Short answers about everything in the store, from narrow columns alone. Imports neither SQLAlchemy nor pydantic."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from candidates.store.summary import Summary
from evaluator.errors import StoreError

# Written in the SQL that every database understands, since not only SQLAlchemy's connections are asked.
_STEPS = """SELECT id, run, stage, candidate, parent, proposer, change, decision, task FROM step
            WHERE candidate IS NOT NULL ORDER BY id"""
_FAILED_STEPS = "SELECT id, candidate, task, device, status FROM step WHERE status <> '' ORDER BY id"
_OUTCOMES = "SELECT digest, task_name, device, status, checked_on FROM verdict ORDER BY id"
_VERDICTS = """SELECT digest, task_digest, task_name, device, status, checked_on, summary FROM verdict
               ORDER BY id"""


@dataclass(frozen=True)
class Provenance:
    """The step in which a candidate was first proposed for a task, and whether it was ever nominated there."""

    run: str
    stage: str
    proposer: str
    change: str
    parents: tuple[str, ...]
    nominated: int  # position of its latest nomination in time, from 1; 0 if it was never nominated


@dataclass(frozen=True)
class Outcome:
    """One outcome of one candidate, without its details. `subject` is its digest, or names a step without code."""

    subject: str
    task: str
    device: str
    status: str
    trusted: bool  # checked on a device, which outweighs the interpreter


@dataclass(frozen=True)
class Judgement:
    """One verdict in short. `summary` is read by whoever needs it; it is there if the status is `verified`."""

    digest: str
    task_digest: str
    task: str
    device: str
    status: str
    checked_on: str  # interpreter | device; empty if it was not checked
    saved: str

    @property
    def summary(self) -> Summary:
        """The facts that a board shows.

        Raises:
            StoreError: they can't be read.
        """
        try:
            return Summary.read(self.saved)
        except ValueError as error:
            raise StoreError(
                f"A saved verdict on {self.digest[:12]} can't be read: {error}.",
                "It was written by another version of this program, or is damaged.",
            ) from error


class Overview(ABC):
    """What a board is made of."""

    @abstractmethod
    def _rows(self, query: str) -> Sequence[Sequence[Any]]:
        """The rows that a query without parameters finds."""

    def judgements(self) -> tuple[Judgement, ...]:
        """Every verdict, oldest first."""
        return tuple(Judgement(*row) for row in self._rows(_VERDICTS))

    def provenances(self) -> dict[tuple[str, str], Provenance]:
        """By candidate and task (name): where it was first proposed."""
        found: dict[tuple[str, str], Provenance] = {}
        for id, run, stage, candidate, parent, proposer, change, decision, task in self._rows(_STEPS):
            nominated = id if decision == "nominated" else 0
            first = found.get((candidate, task))
            if first is None:
                parents = (parent,) if parent else ()
                found[candidate, task] = Provenance(run, stage, proposer, change, parents, nominated)
            elif nominated:
                found[candidate, task] = replace(first, nominated=nominated)
        return found

    def outcomes(self) -> tuple[Outcome, ...]:
        """Every outcome, oldest first: verdicts, and failures of steps that gave no code or were never evaluated."""
        judged = [
            Outcome(digest, task, device, status, trusted=checked_on == "device")
            for digest, task, device, status, checked_on in self._rows(_OUTCOMES)
        ]
        known = {(each.subject, each.task, each.device) for each in judged}
        alone = [
            Outcome(candidate or f"step {id}", task, device, status, trusted=False)
            for id, candidate, task, device, status in self._rows(_FAILED_STEPS)
            if (candidate, task, device) not in known
        ]
        return (*alone, *judged)
