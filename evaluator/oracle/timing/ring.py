"""The slots of one worker: lent memory for the inputs and the outputs of as many forwards."""

import math
import secrets
from collections.abc import Mapping
from typing import Any

import torch

from evaluator.inside import tree
from evaluator.oracle.buffers import Room
from evaluator.oracle.correctness import Examination
from evaluator.oracle.draws import fresh_seed
from evaluator.oracle.exchange import Slot

SHORT_MS = 0.1
"""Forwards below this are timed around the ring, not singly."""

_AUDIT_MS = 3.0  # GPU time of a way around the ring, where slots are small enough: latencies are to be small beside it
_MOST_SLOTS = 512
_LARGE = 1 << 26


class Ring:
    """Filled with fresh inputs again and again; what a worker made of them is judged. Without slots until it grows."""

    def __init__(self, examination: Examination) -> None:
        self.slots: list[Slot] = []
        self._examination = examination
        self._exchange = examination.exchange

    @property
    def slot_bytes(self) -> int:
        """Of the inputs and outputs of one forward."""
        places = (*self._exchange.first.inputs, *self._exchange.first.outputs)
        return sum(_bytes(self._exchange.tensor(place)) for place in places)

    @property
    def large(self) -> bool:
        """Whether outputs have so many elements that fewer are judged: float64 takes its time."""
        outputs = self._exchange.first.outputs
        return sum(int(self._exchange.tensor(place).numel()) for place in outputs) > _LARGE

    def grow(self, count: int) -> None:
        """Lend memory until there are so many slots, in an order in which nobody can foresee where the next one lies.

        A kernel could have its neighbour's inputs read into the L2 ahead of time.
        """
        if not self.slots:
            self.slots = [self._exchange.first]
        if more := self._exchange.slots(count - len(self.slots)):
            self.slots += more
            secrets.SystemRandom().shuffle(self.slots)
            self._exchange.lend()

    def message(self) -> dict[str, Any]:
        """What a worker has to know of it."""
        slots = [{"inputs": slot.inputs, "outputs": slot.outputs} for slot in self.slots]
        return {"slots": slots, "arguments": self._exchange.arguments}

    def room(self) -> Room:
        """The oracle's own memory for all its outputs."""
        return self._exchange.room(self.slots)

    def fill(self) -> list[int]:
        """Fresh content for every slot, poisoned outputs; the seeds."""
        seeds = []
        for buffer in {place["buffer"]: place for slot in self.slots for place in slot.outputs}.values():
            self._exchange.poison(buffer)
        for slot in self.slots:
            seeds.append(fresh_seed())
            tensors: list[torch.Tensor] = []
            tree.flatten(self._examination.reference.inputs(seeds[-1]), tensors)
            for place, tensor in zip(slot.inputs, tensors, strict=True):
                self._exchange.tensor(place).copy_(tensor)
        self._exchange.synchronize()
        return seeds

    def displace(self, l2_bytes: int) -> None:
        """Have nothing of the content lie in the L2: forwards would find it there, and wait for its way to memory."""
        if self._examination.reference.device == "cuda":
            torch.empty(2 * l2_bytes // 4, dtype=torch.float32, device="cuda").sum()
            self._exchange.synchronize()

    def copy(self, index: int) -> list[torch.Tensor]:
        """The oracle's own copies of the outputs in one slot."""
        return [self._exchange.copy(place) for place in self.slots[index].outputs]

    def by_slot(self, tensors: list[torch.Tensor]) -> list[list[torch.Tensor]]:
        """Outputs of the whole ring, by slot."""
        left = iter(tensors)
        return [[next(left) for _ in slot.outputs] for slot in self.slots]

    def judge(self, seeds: list[int], outputs: Mapping[int, list[torch.Tensor]]) -> None:
        """Compare outputs, by slot, with what is right for the inputs of these seeds, and the inputs as well.

        Raises:
            Mismatch: an output is wrong.
            Violation: an input was changed.
        """
        for index, got in outputs.items():
            inputs = self._examination.reference.inputs(seeds[index])
            self._examination.confirm(inputs, got, self.slots[index])


def ring_slots(forward_ms: float, slot_bytes: int, l2_bytes: int, most_bytes: int) -> int:
    """Slots of a ring: more than twice the L2, and long enough for the oracle's clock, within bounds."""
    cold = math.ceil(2 * l2_bytes / max(slot_bytes, 1)) + 1
    clocked = math.ceil(_AUDIT_MS / forward_ms)
    # A single forward is timed behind a flush: only short ones need a ring for a cold cache.
    wanted = max(cold, clocked) if forward_ms < SHORT_MS else clocked
    return min(wanted, max(1, most_bytes // max(slot_bytes, 1)), _MOST_SLOTS)


def _bytes(tensor: torch.Tensor) -> int:
    return int(tensor.numel()) * int(tensor.element_size())
