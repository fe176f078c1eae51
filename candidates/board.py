"""The leaderboard: verified candidates, ranked by task and device, and how many of the others failed in which way.

Measured rows come first, by time. Rows that were not measured follow and are never compared with them; static facts
can't show which of two kernels is faster, so their order only says which to measure first (protocol P20): those that
fit the target, then by bytes spilled, then those nominated by their stage's rules (the latest first), then by
occupancy.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from candidates.store.overview import Judgement, Overview, Provenance
from candidates.store.summary import Summary
from evaluator.status import Status

ID_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Row(Summary):
    """One candidate on one task and device, with what its verdict says."""

    rank: int  # from 1, within task and device
    id: str  # first 12 digits of the digest
    task: str
    device: str
    status: Status
    measured: bool
    nominated: bool
    checked_on: str | None  # interpreter | device
    stage: str
    proposer: str
    change: str
    parents: tuple[str, ...]
    run: str


def rows(store: Overview, task: str = "", limit: int | None = None) -> tuple[Row, ...]:
    """The board, by task and device; with `limit`, at most that many rows of each.

    Args:
        store: where the verdicts are.
        task: name of a task; empty for all.
        limit: rows for each task and device; None for all.
    """
    provenances = store.provenances()
    groups: dict[tuple[str, str], list[_Entry]] = {}
    for judged in _current(each for each in store.judgements() if not task or each.task == task):
        if judged.status == Status.VERIFIED:
            entry = _Entry(judged, judged.summary, provenances.get((judged.digest, judged.task)))
            groups.setdefault((judged.task, judged.device), []).append(entry)
    board: list[Row] = []
    for key in sorted(groups):
        ranked = sorted(groups[key], key=_order)
        board += [_row(rank, entry) for rank, entry in enumerate(ranked[:limit], 1)]
    return tuple(board)


def failures(store: Overview, task: str = "") -> dict[str, int]:
    """How many candidates ended in each status that is not `verified`, by their current outcome on each device."""
    current: dict[tuple[str, str, str], tuple[bool, str]] = {}
    for outcome in store.outcomes():
        key = (outcome.subject, outcome.task, outcome.device)
        if (not task or outcome.task == task) and _outweighs(outcome.trusted, outcome.status, current.get(key)):
            current[key] = (outcome.trusted, outcome.status)
    counted = Counter(status for _, status in current.values() if status != Status.VERIFIED)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True)
class _Entry:
    judged: Judgement
    facts: Summary
    provenance: Provenance | None


def _current(judgements: Iterable[Judgement]) -> list[Judgement]:
    """The verdict that holds for each candidate, task and device."""
    found: dict[tuple[str, str, str], Judgement] = {}
    for judged in judgements:
        key = (judged.digest, judged.task_digest, judged.device)
        earlier = found.get(key)
        if _outweighs(*_weight(judged), _weight(earlier) if earlier else None):
            found[key] = judged
    return list(found.values())


def _weight(judged: Judgement) -> tuple[bool, str]:
    return judged.checked_on == "device", judged.status


def _outweighs(trusted: bool, status: str, held: tuple[bool, str] | None) -> bool:
    """The newer one holds, but a failure of the machine says nothing, and the interpreter can't overrule a device."""
    if held is None:
        return True
    if status == Status.INFRA_ERROR:
        return held[1] == Status.INFRA_ERROR
    return trusted or not held[0] or held[1] == Status.INFRA_ERROR


def _order(entry: _Entry) -> tuple[float | str, ...]:
    facts, digest = entry.facts, entry.judged.digest
    if facts.time_ms is not None:
        return (0, facts.time_ms, digest)
    nominated = entry.provenance.nominated if entry.provenance else 0
    static = (facts.fits is False, facts.spill_bytes or 0, nominated == 0, -nominated, -(facts.occupancy or 0.0))
    return (1, *static, digest)


def _row(rank: int, entry: _Entry) -> Row:
    judged, provenance = entry.judged, entry.provenance
    facts: dict[str, Any] = {each.name: getattr(entry.facts, each.name) for each in fields(Summary)}
    return Row(
        **facts,
        rank=rank,
        id=judged.digest[:ID_DIGITS],
        task=judged.task,
        device=judged.device,
        status=Status(judged.status),
        measured=entry.facts.time_ms is not None,
        nominated=bool(provenance and provenance.nominated),
        checked_on=judged.checked_on or None,
        stage=provenance.stage if provenance else "",
        proposer=provenance.proposer if provenance else "",
        change=provenance.change if provenance else "",
        parents=tuple(parent[:ID_DIGITS] for parent in provenance.parents) if provenance else (),
        run=provenance.run if provenance else "",
    )
