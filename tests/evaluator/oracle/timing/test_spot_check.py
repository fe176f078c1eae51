"""Spot checks: blocks over fresh inputs, whose outputs are judged and whose times are held against claims."""

from typing import cast

import pytest
import torch

from evaluator.oracle.charges import Mismatch, Violation
from evaluator.oracle.exchange import Slot

from .player import SLOTS, Player, contestant, honest, in_place


def test_a_spot_check_is_a_block_over_fresh_inputs_and_judges_slots_that_nobody_can_foresee() -> None:
    made = contestant(honest)
    player = cast(Player, made.worker)
    before = len(player.timed)
    content = made.examination.exchange.tensor(made._ring.slots[3].inputs[0]).clone()
    for _ in range(20):
        assert made.spot_check(True) == 3.0 / SLOTS
    assert not torch.equal(made.examination.exchange.tensor(made._ring.slots[3].inputs[0]), content)
    assert [(message["around"], message["repeats"]) for message in player.timed[before:]] == [(True, 1)] * 20
    assert {len(set(slots)) for slots in player.handed_over} == {6}
    assert len({tuple(slots) for slots in player.handed_over}) > 1


def test_of_single_forwards_on_fresh_inputs_the_last_is_judged() -> None:
    made = contestant(honest)
    player = cast(Player, made.worker)
    before = len(player.timed)
    for _ in range(20):
        made.spot_check(False)
    asked = player.timed[before:]
    assert all(1 <= message["repeats"] <= SLOTS for message in asked), "each slot is fresh once"
    last = [[(message["first"] + message["repeats"] - 1) % SLOTS] for message in asked]
    assert player.handed_over == last
    assert len({message["first"] for message in asked}) > 1


def test_after_forwards_that_python_runs_one_more_is_observed() -> None:
    """Torch could do the work from the fortieth call to the four hundredth: nobody looks before or after."""
    made, baseline = contestant(honest), contestant(honest, observe=False)
    for each in (made, baseline):
        each.spot_check(True)
        assert not cast(Player, each.worker).forwards, "what was captured was observed"
        each.spot_check(False)
        each.not_captured = "it allocates"
        each.spot_check(True)
    assert [forward["bare"] for forward in cast(Player, made.worker).forwards] == [True, True]
    assert not cast(Player, baseline.worker).forwards


def test_a_spot_check_finds_what_is_left_out_once_the_audit_is_over() -> None:
    def weary(player: Player, slots: list[Slot]) -> None:
        if "hand_over" not in player.asked:
            honest(player, slots)

    made = contestant(weary)
    made.take_audit()
    with pytest.raises(Mismatch, match="of a timed forward"):
        made.spot_check(True)


def test_a_spot_check_judges_the_strangest_of_what_it_looks_at() -> None:
    def all_but_one(player: Player, slots: list[Slot]) -> None:
        for slot in slots[:3] + slots[4:]:
            player.work(slot)

    with pytest.raises(Mismatch, match="of a timed forward"):
        contestant(all_but_one).spot_check(True)


def test_a_spot_check_finds_inputs_that_were_changed() -> None:
    with pytest.raises(Violation, match="input 0 of a timed forward was changed"):
        contestant(in_place).spot_check(True)


def test_spot_checks_follow_some_blocks_and_begin_where_other_blocks_might() -> None:
    made = contestant(honest)
    player = cast(Player, made.worker)
    before = len(player.timed)
    for _ in range(200):
        made.block(False, 2)
    assert 5 < len(player.handed_over) < 100
    blocks = [message for message in player.timed[before:] if message["repeats"] == 2]
    assert len({message["first"] for message in blocks}) > SLOTS // 2, "a jump would give a spot check away"


def test_claims_are_held_against_spot_checks_made_since_the_last_ones() -> None:
    slow, quick = 11_000.0, 10_000.0  # far more than the oracle's clock sees here
    made = contestant(honest, saying=(3.0 / SLOTS,))
    made.take_audit()
    player = cast(Player, made.worker)
    player._saying = [quick]
    assert made.undercut([quick], True) is None, "at least one is made"
    assert len(player.handed_over) == 1
    for known, proven in ((slow, False), (quick, True)):
        player._saying = [slow] * 8 + [known]
        found = made.undercut([quick], True)
        assert found is not None
        assert "takes at least 1.1e+04 ms on inputs" in found.problem
        assert (found.forward_ms, found.proven) == (slow, proven)
    player._saying = [slow, slow, quick]
    assert made.undercut([quick], True) is None, "a quick one acquits"


def test_what_stays_in_the_l2_is_judged_and_not_compared() -> None:
    made = contestant(honest, saying=(3.0 / SLOTS,), l2_bytes=1 << 20)
    assert not made.cold
    made.take_audit()
    player = cast(Player, made.worker)
    player._saying = [11_000.0]
    assert made.undercut([10_000.0], True) is None
    assert len(player.handed_over) == 1
    assert made.undercut([10_000.0], False), "single forwards are timed behind a flush"
    assert player.timed[-1]["repeats"] > SLOTS, "of single forwards each slot comes once before it is known"
