"""The rules of keeping, nominating and reverting, as tables."""

import pytest

from evaluator.verdict import Gain, Status, Verdict
from harness.decisions import Standing, decide, nomination_key, repairable
from harness.settings import SearchSettings
from prompts.facts import collect
from prompts.stages import Rule, Section
from tests.harness.recording import RTX_4090, failed, kernel, verdict

SEARCH = SearchSettings(min_gain=0.02)
PLAIN = Section(focus="nothing in particular")
RULED = Section(
    focus="launch parameters",
    rules=(Rule(name="pressure", title="Pressure", when="registers > 128", prefer={"num_warps": 4}),),
)


def standing(digest: str, found: Verdict) -> Standing:
    return Standing(digest, found, collect(found, None, RTX_4090))


def measured(estimate: float, low: float, incumbent: str = "old") -> Verdict:
    gain = Gain(estimate=estimate, low=low, incumbent=incumbent, incumbent_ms=1.0, rounds=10)
    return verdict(ms=1.0 - estimate, gain=gain)


@pytest.mark.parametrize(
    ("estimate", "low", "word", "note"),
    [
        (0.050, 0.045, "kept", "5.0% faster (at least +4.5%)"),
        (0.020, 0.001, "kept", "2.0% faster (at least +0.1%)"),
        (0.019, 0.018, "reverted", "1.9% faster, under the 2.0% asked for"),
        (0.050, 0.000, "reverted", "5.0% faster, but not surely (at least +0.0%)"),
        (0.050, -0.01, "reverted", "5.0% faster, but not surely (at least -1.0%)"),
        (0.004, -0.003, "reverted", "a tie (+0.4%, at least -0.3%)"),
        (-0.002, -0.009, "reverted", "a tie (-0.2%, at least -0.9%)"),
        (-0.100, -0.105, "reverted", "10.0% slower"),
    ],
)
def test_a_measured_candidate_is_kept_for_a_sure_gain_of_the_size_asked_for(
    estimate: float, low: float, word: str, note: str
) -> None:
    decision = decide(standing("new", measured(estimate, low)), standing("old", verdict(ms=1.0)), PLAIN, SEARCH)
    assert (decision.word, decision.note) == (word, note)


def test_a_gain_over_other_code_than_the_current_is_no_gain() -> None:
    decision = decide(
        standing("new", measured(0.5, 0.4, incumbent="older")), standing("old", verdict(ms=1.0)), PLAIN, SEARCH
    )
    assert decision.word == "reverted"
    assert "not measured against the current code" in decision.note


@pytest.mark.parametrize(
    ("candidate", "current", "word"),
    [
        (verdict(ms=9.0), None, "kept"),
        (verdict(ms=9.0), verdict(), "kept"),
        (verdict(), verdict(ms=9.0), "reverted"),
        (verdict(), None, "nominated"),
    ],
    ids=["first that works", "first that is measured", "unmeasured against measured", "first, unmeasured"],
)
def test_where_only_one_side_was_measured(candidate: Verdict, current: Verdict | None, word: str) -> None:
    decision = decide(standing("new", candidate), standing("old", current) if current else None, PLAIN, SEARCH)
    assert decision.word == word


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.VERIFIED])
def test_what_did_not_verify_failed_whatever_else_is_known(status: Status) -> None:
    decision = decide(standing("new", failed(status, "why it failed")), None, PLAIN, SEARCH)
    assert (decision.word, decision.note) == ("failed", "why it failed")


ORDER = [
    verdict(kernels=(kernel(fits=True, spill_bytes=0, occupancy=1.0),)),
    verdict(kernels=(kernel(fits=True, spill_bytes=0, occupancy=0.5),)),
    verdict(kernels=(kernel(registers=200, num_warps=8, occupancy=1.0),)),  # against the rule of its stage
    verdict(kernels=(kernel(fits=True, spill_bytes=8, occupancy=1.0),)),
    verdict(kernels=(kernel(fits=True, spill_bytes=64, occupancy=1.0),)),
    verdict(kernels=(kernel(fits=False, spill_bytes=0, occupancy=1.0),)),
]


@pytest.mark.parametrize("better", range(len(ORDER) - 1))
def test_the_order_of_nomination(better: int) -> None:
    first, second = standing("a", ORDER[better]), standing("b", ORDER[better + 1])
    assert nomination_key(first.verdict, RULED, first.facts) > nomination_key(second.verdict, RULED, second.facts)
    assert decide(first, second, RULED, SEARCH).word == "nominated"
    assert decide(second, first, RULED, SEARCH).word == "reverted"


def test_what_static_facts_cant_tell_apart_is_nominated_without_a_claim() -> None:
    decision = decide(standing("new", verdict()), standing("old", verdict()), RULED, SEARCH)
    assert (decision.word, decision.note) == ("nominated", "static facts can't tell them apart")


def test_the_reason_of_a_reversal_names_the_first_difference() -> None:
    spilling = verdict(kernels=(kernel(spill_bytes=64, occupancy=0.5),))
    decision = decide(standing("new", spilling), standing("old", verdict()), RULED, SEARCH)
    assert decision.note == "spills 64 bytes a thread, before 0"


def test_a_rule_whose_condition_is_unknown_counts_for_nobody() -> None:
    unknown = verdict(kernels=(kernel(registers=None, num_warps=8),))
    key = nomination_key(unknown, RULED, collect(unknown, None, RTX_4090))
    assert key.broken_rules == 0


@pytest.mark.parametrize(
    ("status", "can"),
    [
        (Status.COMPILE_ERROR, True),
        (Status.WRONG_OUTPUT, True),
        (Status.EXTRACT_ERROR, True),
        (Status.RULE_VIOLATION, True),
        (Status.TIMEOUT, True),
        (Status.UNCHECKED, False),
        (Status.INTEGRITY_VIOLATION, False),
        (Status.INFRA_ERROR, False),
        (Status.VERIFIED, False),
    ],
)
def test_who_is_asked_for_a_repair(status: Status, can: bool) -> None:
    assert repairable(verdict(status)) is can
