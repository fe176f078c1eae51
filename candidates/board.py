"""The leaderboard: verified candidates, ranked by task and device, and how many of the others failed in which way.

Measured rows come first, by time. Rows that were not measured follow and are never compared with them; static facts
can't show which of two kernels is faster, so their order only says which to measure first (protocol P20): those that
fit the target, then by bytes spilled, then those nominated by their stage's rules (the latest first), then by
occupancy.
"""

from collections import Counter
from typing import Literal

from candidates.store import Store, StoredVerdict
from candidates.store.records import Provenance
from evaluator.frozen import Frozen
from evaluator.sandbox import REDUCED
from evaluator.verdict import KernelFacts, Status, Verdict

ID_DIGITS = 12


class Row(Frozen):
    """One candidate on one task and device. None where nothing was measured or determined.

    The static facts are those of the kernel that takes the most time, as far as that is known; `spill_bytes` is the
    largest of any kernel, `fits` holds for all of them.
    """

    rank: int  # from 1, within task and device
    id: str  # first 12 digits of the digest
    task: str
    device: str
    status: Status
    measured: bool
    nominated: bool
    checked_on: Literal["interpreter", "device"] | None
    reduced_isolation: bool = False  # it ran in the fallback sandbox
    time_ms: float | None
    time_low_ms: float | None
    time_high_ms: float | None
    speedup_eager: float | None
    speedup_compile: float | None
    baseline_ms: dict[Literal["eager", "compile"], float | None]
    own_share: float | None = None  # of a forward's GPU time in kernels of its own
    ablated: bool = False  # its output was seen to break without its kernels
    kernel: str | None
    fits: bool | None
    registers: int | None
    spill_bytes: int | None
    shared_bytes: int | None
    occupancy: float | None
    limited_by: str | None
    num_warps: int | None
    num_stages: int | None
    stage: str
    proposer: str
    change: str
    parents: tuple[str, ...]
    run: str


def rows(store: Store, task: str = "", limit: int | None = None) -> tuple[Row, ...]:
    """The board, by task and device; with `limit`, at most that many rows of each.

    Args:
        store: where the verdicts are.
        task: name of a task; empty for all.
        limit: rows for each task and device; None for all.
    """
    provenances = store.provenances()
    groups: dict[tuple[str, str], list[tuple[StoredVerdict, Provenance | None]]] = {}
    for stored in _current(store, task):
        if stored.verdict.status is Status.VERIFIED:
            provenance = provenances.get((stored.digest, stored.task_name))
            groups.setdefault((stored.task_name, stored.verdict.device), []).append((stored, provenance))
    board: list[Row] = []
    for key in sorted(groups):
        ranked = sorted(groups[key], key=lambda entry: _order(*entry))
        board += [_row(rank, *entry) for rank, entry in enumerate(ranked[:limit], 1)]
    return tuple(board)


def failures(store: Store, task: str = "") -> dict[str, int]:
    """How many candidates ended in each status that is not `verified`, by their current outcome on each device."""
    current: dict[tuple[str, str, str], tuple[bool, str]] = {}
    for outcome in store.outcomes():
        key = (outcome.subject, outcome.task, outcome.device)
        if (not task or outcome.task == task) and _outweighs(outcome.trusted, outcome.status, current.get(key)):
            current[key] = (outcome.trusted, outcome.status)
    counted = Counter(status for _, status in current.values() if status != Status.VERIFIED)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _current(store: Store, task: str) -> list[StoredVerdict]:
    """The verdict that holds for each candidate, task and device."""
    found: dict[tuple[str, str, str], StoredVerdict] = {}
    for stored in store.verdicts(task=task):
        key = (stored.digest, stored.task_digest, stored.verdict.device)
        earlier = found.get(key)
        held = _weight(earlier.verdict) if earlier else None
        if _outweighs(*_weight(stored.verdict), held):
            found[key] = stored
    return list(found.values())


def _weight(verdict: Verdict) -> tuple[bool, str]:
    return verdict.evidence.checked_on == "device", str(verdict.status)


def _outweighs(trusted: bool, status: str, held: tuple[bool, str] | None) -> bool:
    """The newer one holds, but a failure of the machine says nothing, and the interpreter can't overrule a device."""
    if held is None:
        return True
    if status == Status.INFRA_ERROR:
        return held[1] == Status.INFRA_ERROR
    return trusted or not held[0] or held[1] == Status.INFRA_ERROR


def _order(stored: StoredVerdict, provenance: Provenance | None) -> tuple[float | str, ...]:
    verdict = stored.verdict
    if verdict.time is not None:
        return (0, verdict.time.median_ms, stored.digest)
    main = _main_kernel(verdict)
    nominated = provenance.nominated if provenance else 0
    occupancy = (main.occupancy if main else None) or 0.0
    return (1, _fits(verdict) is False, _spills(verdict) or 0, nominated == 0, -nominated, -occupancy, stored.digest)


def _row(rank: int, stored: StoredVerdict, provenance: Provenance | None) -> Row:
    verdict, time = stored.verdict, stored.verdict.time
    main = _main_kernel(verdict) or KernelFacts(name="")
    baselines = {mode: verdict.baseline.get(mode) for mode in _MODES}
    return Row(
        rank=rank,
        id=stored.digest[:ID_DIGITS],
        task=stored.task_name,
        device=verdict.device,
        status=verdict.status,
        measured=verdict.measured,
        nominated=bool(provenance and provenance.nominated),
        checked_on=verdict.evidence.checked_on,
        reduced_isolation=REDUCED in verdict.evidence.isolation,
        time_ms=time.median_ms if time else None,
        time_low_ms=time.low_ms if time else None,
        time_high_ms=time.high_ms if time else None,
        speedup_eager=verdict.speedup("eager"),
        speedup_compile=verdict.speedup("compile"),
        baseline_ms={mode: base.median_ms if base else None for mode, base in baselines.items()},
        own_share=verdict.evidence.own_share,
        ablated=verdict.evidence.ablated,
        kernel=main.name or None,
        fits=_fits(verdict),
        registers=main.registers,
        spill_bytes=_spills(verdict),
        shared_bytes=main.shared_bytes,
        occupancy=main.occupancy,
        limited_by=main.limited_by,
        num_warps=main.num_warps,
        num_stages=main.num_stages,
        stage=provenance.stage if provenance else "",
        proposer=provenance.proposer if provenance else "",
        change=provenance.change if provenance else "",
        parents=tuple(parent[:ID_DIGITS] for parent in provenance.parents) if provenance else (),
        run=provenance.run if provenance else "",
    )


_MODES: tuple[Literal["eager", "compile"], ...] = ("eager", "compile")


def _main_kernel(verdict: Verdict) -> KernelFacts | None:
    """The kernel that takes the most time; where times are not known, the one with the most registers."""
    return max(verdict.kernels, key=lambda kernel: (kernel.time_share or 0.0, kernel.registers or 0), default=None)


def _fits(verdict: Verdict) -> bool | None:
    """Whether every kernel is within the target's limits; None if that is not known of all."""
    known = [kernel.fits for kernel in verdict.kernels]
    if False in known:
        return False
    return True if known and None not in known else None


def _spills(verdict: Verdict) -> int | None:
    known = [kernel.spill_bytes for kernel in verdict.kernels if kernel.spill_bytes is not None]
    return max(known) if known else None
