"""From verdicts to members: what is fitter than what, and what behaves alike."""

from typing import Any

import pytest

from evaluator.verdict import Gain, KernelFacts, Verdict
from harness.decisions import Standing
from harness.search.base import Member
from harness.search.behaviour import axes, cell, fitness, member
from prompts import facts
from tests.harness.recording import RTX_4090, STAGES, kernel, verdict

SECTION = STAGES["finetune"].section("fusion")


def standing(found: Verdict, digest: str = "x") -> Standing:
    return Standing(digest, found, facts.collect(found, None, RTX_4090))


def against(incumbent: str, estimate: float, ms: float) -> Verdict:
    gain = Gain(estimate=estimate, low=estimate - 0.01, incumbent=incumbent, incumbent_ms=1.0, rounds=10)
    return verdict(ms=ms, gain=gain)


def told(*verdicts: tuple[str, Verdict]) -> dict[str, Member]:
    """Members of these candidates, in this order."""
    known: dict[str, Member] = {}
    for digest, found in verdicts:
        known[digest] = member(standing(found, digest), SECTION, RTX_4090, known)
    return known


def test_speed_is_in_units_of_the_baseline() -> None:
    assert fitness(standing(verdict(ms=0.5)), SECTION, {}) == (1.0, 4.0)  # eager takes 2 ms in these verdicts


def test_against_an_incumbent_the_ratio_of_their_turns_counts_and_no_time_of_another_session() -> None:
    known = told(
        ("start", verdict(ms=1.0)),
        ("a", against("start", 0.2, ms=0.8)),
        ("b", against("a", 0.1, ms=0.9)),  # in a session in which the GPU was slower
        ("c", against("a", -0.25, ms=0.7)),  # and in one in which it was faster
    )
    speeds = {digest: each.fitness[1] for digest, each in known.items()}
    assert speeds == pytest.approx({"start": 2.0, "a": 2.5, "b": 2.5 / 0.9, "c": 2.0})


def test_without_its_incumbent_the_baseline_of_its_own_session_counts() -> None:
    assert fitness(standing(against("unknown", 0.5, ms=0.5)), SECTION, {}) == (1.0, 4.0)


def test_without_any_baseline_the_first_is_the_unit() -> None:
    bare = verdict(ms=0.7).model_copy(update={"baseline": {"eager": None, "compile": None}})
    known = told(("start", bare), ("a", against("start", 0.5, ms=0.4)))
    assert [each.fitness for each in known.values()] == [(1.0, 1.0), (1.0, 2.0)]


def test_measured_comes_before_unmeasured_whatever_its_time() -> None:
    slow = fitness(standing(against("start", -5.0, ms=60.0)), SECTION, told(("start", verdict(ms=10.0))))
    assert slow > fitness(standing(verdict()), SECTION, {})


def test_the_unmeasured_stand_in_the_order_of_nomination() -> None:
    ordered = [
        verdict(kernels=(kernel(fits=False),)),
        verdict(kernels=(kernel(spill_bytes=16),)),
        verdict(kernels=(kernel(occupancy=0.5),)),
        verdict(kernels=(kernel(occupancy=1.0),)),
    ]
    standings = [fitness(standing(found), SECTION, {}) for found in ordered]
    assert standings == sorted(standings)
    assert len(set(standings)) == 4
    assert {each[0] for each in standings} == {0.0}


def test_the_axes_are_memory_compute_and_parallelism() -> None:
    assert list(axes()) == ["memory", "compute", "parallelism"]
    assert all(list(bounds) == sorted(bounds) for measures in axes().values() for bounds in measures.values())


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({}, (0, 0, 0)),
        ({"shared_bytes": 8 * 1024}, (3, 0, 0)),
        ({"shared_bytes": 64 * 1024}, (6, 0, 0)),
        ({"loads": 2}, (1, 0, 0)),
        ({"loads": 9, "shared_bytes": 64 * 1024}, (8, 0, 0)),
        ({"registers": 96}, (0, 1, 0)),
        ({"registers": 200}, (0, 2, 0)),
        ({"dots": True, "precision": ("tf32",)}, (0, 3, 0)),
        ({"dots": True}, (0, 0, 0)),  # of float32 as such: no work for tensor cores
        ({"precision": ("f16",)}, (0, 0, 0)),
        ({"grid": (128 * 12,)}, (0, 0, 2)),
        ({"grid": (128 * 12 * 8,)}, (0, 0, 4)),
        ({"num_warps": 8}, (0, 0, 1)),
    ],
)
def test_each_measure_moves_its_own_coordinate(changes: dict[str, Any], where: tuple[int, ...]) -> None:
    found = verdict(kernels=(kernel(**{"num_warps": 4, "loads": 1, "grid": (128,), **changes}),))
    assert cell(standing(found), RTX_4090) == where


def test_the_kernel_that_takes_the_most_time_is_what_counts() -> None:
    small = KernelFacts(name="prepare", registers=255, time_share=0.1)
    large = KernelFacts(name="work", registers=32, time_share=0.9)
    assert cell(standing(verdict(ms=1.0, kernels=(small, large))), RTX_4090) == (0, 0, 0)


def test_of_a_candidate_without_kernels_nothing_is_known() -> None:
    made = member(standing(verdict(kernels=()), "d"), SECTION, RTX_4090, {}, island=2)
    assert (made.digest, made.cell, made.island) == ("d", (0, 0, 0), 2)
