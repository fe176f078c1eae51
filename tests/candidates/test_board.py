"""The board: what is measured by time, what is not by static facts, and never the one above the other."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from candidates import board
from candidates.store import Step, Store
from evaluator.tasks import Task, Tolerance
from evaluator.verdict import Evidence, KernelFacts, Status, Timing, Verdict


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open("", tmp_path) as opened:
        yield opened


def make_task(name: str = "softmax") -> Task:
    tolerance = Tolerance(rtol=1, atol=1, reference_factor=1)
    return Task(name=name, reference=f"# {name}", path=Path(name), tolerance=tolerance)


def timing(ms: float) -> Timing:
    return Timing(median_ms=ms, low_ms=ms * 0.99, high_ms=ms * 1.01, samples_ms=(ms,))


def judged(
    ms: float | None = None,
    *kernels: KernelFacts,
    status: Status = Status.VERIFIED,
    task: str = "softmax",
    device: str = "RTX 4090",
) -> Verdict:
    """A verdict: measured if a time is given, else checked in the interpreter."""
    return Verdict(
        status=status,
        task=task,
        device=device,
        time=timing(ms) if ms else None,
        baseline={"eager": timing(3.0), "compile": None} if ms else {"eager": None, "compile": None},
        kernels=kernels,
        evidence=Evidence(checked_on="device" if ms else "interpreter"),
    )


class Bench:
    """Puts candidates and their verdicts into a store, as the loop does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.run = store.open_run("key", {})
        self.names: dict[str, str] = {}

    def add(self, name: str, verdict: Verdict, decision: str = "reverted", parent: str = "") -> str:
        digest = self.store.put_candidate(f"name = {name!r}")
        self.names[digest[: board.ID_DIGITS]] = name
        self.store.put_verdict(digest, make_task(verdict.task), "fingerprint", verdict)
        index = len(self.store.steps(self.run.id))
        step = {"index": index, "candidate": digest, "parent": parent, "verdict": verdict, "decision": decision}
        self.store.add_step(self.run.id, Step(stage="tiling", proposer="rules", change=f"make {name}", **step))
        return digest

    def order(self, **options: object) -> list[str]:
        return [self.names[row.id] for row in board.rows(self.store, **options)]  # type: ignore[arg-type]


@pytest.fixture
def bench(store: Store) -> Bench:
    return Bench(store)


def facts(**values: object) -> KernelFacts:
    return KernelFacts.model_validate({"name": "k", "fits": True, "spill_bytes": 0, "occupancy": 0.5, **values})


def test_an_empty_store_has_an_empty_board(store: Store) -> None:
    assert board.rows(store) == ()
    assert board.failures(store) == {}


def test_measured_rows_come_first_by_time(bench: Bench) -> None:
    bench.add("unmeasured", judged(None, facts(occupancy=1.0)), "nominated")
    bench.add("slow", judged(2.0))
    bench.add("fast", judged(1.0))
    assert bench.order() == ["fast", "slow", "unmeasured"]
    assert [row.rank for row in board.rows(bench.store)] == [1, 2, 3]


def test_unmeasured_rows_are_in_the_order_of_p20(bench: Bench) -> None:
    bench.add("plain", judged(None, facts(occupancy=0.5)))
    bench.add("more occupancy", judged(None, facts(occupancy=0.75)))
    bench.add("nominated", judged(None, facts(occupancy=0.25)), "nominated")
    bench.add("nominated later", judged(None, facts(occupancy=0.25)), "nominated")
    bench.add("spills", judged(None, facts(spill_bytes=64, occupancy=1.0)), "nominated")
    bench.add("spills more", judged(None, facts(spill_bytes=640, occupancy=1.0)), "nominated")
    bench.add("does not fit", judged(None, facts(fits=False, occupancy=1.0)), "nominated")
    assert bench.order() == [
        "nominated later",
        "nominated",
        "more occupancy",
        "plain",
        "spills",
        "spills more",
        "does not fit",
    ]


def test_tasks_and_devices_are_ranked_apart(bench: Bench) -> None:
    bench.add("a", judged(2.0))
    bench.add("b", judged(1.0, device="H100"))
    bench.add("c", judged(5.0, task="rmsnorm"))
    bench.add("d", judged(9.0))
    rows = board.rows(bench.store)
    assert [(row.task, row.device, row.rank) for row in rows] == [
        ("rmsnorm", "RTX 4090", 1),
        ("softmax", "H100", 1),
        ("softmax", "RTX 4090", 1),
        ("softmax", "RTX 4090", 2),
    ]
    assert bench.order(task="rmsnorm") == ["c"]
    assert bench.order(limit=1) == ["c", "b", "a"]
    assert bench.order(task="nothing") == []


def test_a_row_says_what_was_found(bench: Bench) -> None:
    start = bench.add("start", judged(2.0), "start")
    main = facts(
        name="main", registers=64, time_share=0.9, shared_bytes=1024, num_warps=4, num_stages=2, limited_by="warps"
    )
    small = facts(name="small", registers=128, time_share=0.1, spill_bytes=8, fits=None)
    bench.add("best", judged(1.5, small, main), "kept", parent=start)
    row = board.rows(bench.store)[0]
    assert (row.time_ms, row.time_low_ms, row.time_high_ms) == (1.5, 1.5 * 0.99, 1.5 * 1.01)
    assert (row.speedup_eager, row.speedup_compile) == (2.0, None)
    assert row.baseline_ms == {"eager": 3.0, "compile": None}
    assert (row.kernel, row.registers, row.shared_bytes, row.num_warps, row.limited_by) == (
        "main",
        64,
        1024,
        4,
        "warps",
    )
    assert (row.spill_bytes, row.fits) == (8, None)
    assert (row.stage, row.proposer, row.change) == ("tiling", "rules", "make best")
    assert (row.parents, row.run) == ((start[:12],), bench.run.id)
    assert (row.status, row.measured, row.nominated, row.checked_on) == ("verified", True, False, "device")


def test_an_unmeasured_row_claims_nothing(bench: Bench) -> None:
    bench.add("it", judged(None), "nominated")
    (row,) = board.rows(bench.store)
    assert row.nominated
    assert not row.measured
    assert {row.time_ms, row.time_low_ms, row.speedup_eager, row.registers, row.kernel, row.spill_bytes} == {None}


def test_the_newest_verdict_holds(bench: Bench) -> None:
    bench.add("it", judged(2.0))
    bench.add("it", judged(1.0))
    assert [row.time_ms for row in board.rows(bench.store)] == [1.0]
    bench.add("it", judged(status=Status.INFRA_ERROR))
    assert [row.time_ms for row in board.rows(bench.store)] == [1.0], "a failure of the machine says nothing"
    bench.add("it", judged(None))
    assert [row.time_ms for row in board.rows(bench.store)] == [1.0], "the interpreter can't overrule a device"
    wrong = judged(status=Status.WRONG_OUTPUT).model_copy(update={"evidence": Evidence(checked_on="device")})
    bench.add("it", wrong)
    assert board.rows(bench.store) == ()
    assert board.failures(bench.store) == {"wrong_output": 1}


def test_a_measurement_replaces_what_the_interpreter_said(bench: Bench) -> None:
    bench.add("it", judged(None), "nominated")
    bench.add("it", judged(1.0))
    (row,) = board.rows(bench.store)
    assert (row.time_ms, row.nominated) == (1.0, True)


def test_failures_are_counted_once_per_candidate(bench: Bench) -> None:
    bench.add("good", judged(1.0))
    bench.add("wrong", judged(status=Status.WRONG_OUTPUT))
    bench.add("wrong", judged(status=Status.WRONG_OUTPUT))
    bench.add("slow", judged(status=Status.TIMEOUT))
    bench.add("other", judged(status=Status.TIMEOUT, task="rmsnorm"))
    bench.add("mended", judged(status=Status.INFRA_ERROR))
    bench.add("mended", judged(None))
    for index in (90, 91):  # replies without code have no candidate, and each counts
        failed = Step(index=index, decision="failed", verdict=judged(status=Status.EXTRACT_ERROR))
        bench.store.add_step(bench.run.id, failed)
    refused = bench.store.put_candidate("refused = 1")
    for index in (92, 93):  # refused by a rule: never evaluated, so known from the log alone
        verdict = judged(status=Status.RULE_VIOLATION)
        bench.store.add_step(bench.run.id, Step(index=index, candidate=refused, decision="failed", verdict=verdict))
    bench.store.add_step(bench.run.id, Step(index=94, candidate=refused, decision="duplicate"))
    expected = {"extract_error": 2, "timeout": 2, "rule_violation": 1, "wrong_output": 1}
    assert board.failures(bench.store) == expected
    assert list(board.failures(bench.store))[:2] == ["extract_error", "timeout"]
    assert board.failures(bench.store, task="softmax") == {**expected, "timeout": 1}
    assert board.failures(bench.store, task="rmsnorm") == {"timeout": 1}


def test_rows_go_into_json(bench: Bench) -> None:
    bench.add("it", judged(1.0, facts()))
    (row,) = board.rows(bench.store)
    again = json.loads(json.dumps(asdict(row)))
    assert board.Row(**again | {"parents": tuple(again["parents"])}) == row
