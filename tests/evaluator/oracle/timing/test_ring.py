import pytest

from evaluator.oracle.timing.ring import ring_slots

from .player import SLOTS, contestant, honest
from .quiet import L2

MB = 1 << 20


@pytest.mark.parametrize(
    ("forward_ms", "slot_bytes", "most_bytes", "slots"),
    [
        (0.01, 16 * MB, 4096 * MB, 256),  # bounded by memory: 3 ms of forwards would take 300
        (0.01, 16 * MB, 256 * MB, 16),  # where tensors cross in host memory
        (0.05, 16 * MB, 4096 * MB, 60),  # 3 ms on the oracle's clock
        (0.09, 2 * MB, 4096 * MB, 51),  # more than twice the L2
        (1.0, MB, 4096 * MB, 3),  # timed singly, behind a flush: cold whatever the ring
        (5.0, 3000 * MB, 4096 * MB, 1),
        (0.005, 0, 4096 * MB, 512),
    ],
)
def test_a_ring_is_cold_and_long_enough_for_the_clock(
    forward_ms: float, slot_bytes: int, most_bytes: int, slots: int
) -> None:
    assert ring_slots(forward_ms, slot_bytes, L2, most_bytes) == slots


def test_nobody_knows_where_the_next_slot_lies() -> None:
    made = contestant(honest)
    places = [slot.inputs[0] for slot in made._ring.slots]
    assert {place["buffer"] for place in places} == {0, 2}, "the first slot, and the others in one piece"
    offsets = [place["offset"] for place in places if place["buffer"]]
    assert len(set(offsets)) == SLOTS - 1
    assert offsets != sorted(offsets)
