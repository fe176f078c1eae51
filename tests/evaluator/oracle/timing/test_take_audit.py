"""Audits fill, command, copy and judge a ring, which is made to suit them."""

from typing import cast

import pytest
import torch

from evaluator.oracle.charges import Mismatch, Violation
from evaluator.oracle.exchange import Slot

from .player import SLOTS, SOURCE, Player, contestant, honest, in_place


def test_an_honest_ring_passes_with_twice_as_many_commands_that_run_nothing() -> None:
    made = contestant(honest)
    assert made.slots == SLOTS
    audit = made.take_audit()
    assert audit.forwards == SLOTS
    assert (len(audit.full_ms), len(audit.empty_ms)) == (3, 6)
    assert cast(Player, made.worker).asked[-12:] == ["audit", "idle", "idle"] * 4, "the first of each are not counted"


def test_the_capture_of_a_ring_is_observed_but_for_baselines() -> None:
    made, baseline = contestant(honest), contestant(honest, observe=False)
    assert cast(Player, made.worker).observing == [True]
    assert [(capture.said["operators"], capture.slots) for capture in made.captures] == [({"relu": 8 * SLOTS}, SLOTS)]
    assert cast(Player, baseline.worker).observing == [False]


def test_a_forward_like_those_that_are_timed_is_no_other_than_these() -> None:
    made = contestant(honest)
    player = cast(Player, made.worker)
    for _ in range(20):
        made.run_like_timed()
    assert {(forward["bare"], "observe" in forward) for forward in player.forwards} == {(True, False)}
    used = [Slot(forward["input_places"], forward["output_places"]) for forward in player.forwards]
    assert all(slot in player._slots for slot in used)
    assert len({str(slot) for slot in used}) > 1, "nobody knows on which"


def test_a_forward_that_is_always_left_out_is_found_wherever_it_lies() -> None:
    def all_but_one(player: Player, slots: list[Slot]) -> None:
        for slot in slots[:17] + slots[18:]:
            player.work(slot)

    with pytest.raises(Mismatch, match="of a timed forward"):
        contestant(all_but_one).take_audit()


def test_outputs_of_the_way_before_are_wrong() -> None:
    kept: list[torch.Tensor] = []

    def stale(player: Player, slots: list[Slot]) -> None:
        exchange = player.examination.exchange
        if not kept:
            honest(player, slots)
            kept.extend(exchange.tensor(slot.outputs[0]).clone() for slot in slots)
        for slot, output in zip(slots, kept, strict=True):
            exchange.tensor(slot.outputs[0]).copy_(output)

    with pytest.raises(Mismatch, match="of a timed forward"):
        contestant(stale).take_audit()


def test_a_way_that_writes_nothing_is_wrong_even_where_the_answer_is_always_the_same() -> None:
    """What the way before wrote is gone: outputs are poisoned between them."""

    def every_other(player: Player, slots: list[Slot]) -> None:
        if player.rounds % 2:
            honest(player, slots)

    constant = SOURCE.replace("torch.relu(x) * 3.0", "torch.ones_like(x)")
    contestant(honest, constant).take_audit()
    with pytest.raises(Mismatch, match="of a timed forward"):
        contestant(every_other, constant).take_audit()


def test_inputs_of_timed_forwards_stay_as_the_reference_leaves_them() -> None:
    with pytest.raises(Violation, match="input 0 of a timed forward was changed"):
        contestant(in_place).take_audit()
    contestant(honest, SOURCE.replace("torch.relu(x)", "x.relu_()")).take_audit()


def test_a_host_that_was_late_once_makes_no_short_ring() -> None:
    made = contestant(honest, saying=(1.0, 3.0 / SLOTS))
    assert made.slots == SLOTS
    assert made.forward_ms == 3.0 / SLOTS
    assert made.take_audit().forwards == SLOTS


def test_a_ring_is_as_long_as_it_has_to_be_for_what_is_claimed_in_the_end() -> None:
    """Over a single slot the clock allows 0.15 ms and more of each forward."""
    made = contestant(honest, saying=(5.0, 5.0, 3.0 / SLOTS))
    assert made.slots == 1
    assert made.take_audit().forwards == 1
    made.undercut([3.0 / SLOTS] * 4, True)
    assert made.audit is not None
    assert made.audit.forwards == made.slots == SLOTS
    made.undercut([3.0 / SLOTS] * 4, True)
    assert cast(Player, made.worker).asked.count("ring") == 2
    assert [capture.slots for capture in made.captures] == [1, SLOTS], "neither escapes the policy"
