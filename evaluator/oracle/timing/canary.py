"""A small trusted kernel before each block: if it is slow, somebody else is using the GPU.

Its wall time is what counts. A GPU serves processes by turns of milliseconds: while another one has work queued, every
song has to wait for that turn to end, although the kernel itself then runs undisturbed. The host is late now and then
as well, so a single slow song means nothing: a canary is slow if none of several songs in a row is quick.
"""

import math
import time
from statistics import median

import torch

_ELEMENTS = 1 << 24
_PASSES = 4
_HATCHING = 15  # first songs, to learn how long one takes
_ATTEMPTS = 6
_SLOW = 1.5  # clocks vary by a few per cent; a turn of somebody else's is several songs long
_CALM_S = 5.0  # what a stopped worker had enqueued has to come to an end


class Disturbance(Exception):
    """The GPU would not come to rest. `by` is the worker whose doing it was, or empty if it was neither's."""

    def __init__(self, by: str) -> None:
        whose = f"each time the {by} had been stopped to wait" if by else "with all workers stopped"
        super().__init__(f"the GPU was busy {whose}: the canary kernel was slow")
        self.by = by


class Canary:
    """Sings when asked to. The quickest median so far is what it should take: make it before any candidate comes."""

    def __init__(self) -> None:
        self._memory = torch.zeros(_ELEMENTS, device="cuda")
        self.usual_ms = math.inf
        self.hatch()

    def hatch(self) -> float:
        """Learn what a song takes here and now; call it while no worker computes."""
        found = median(self._sing() for _ in range(_HATCHING))
        self.usual_ms = min(found, self.usual_ms)
        return found

    def slow(self) -> bool:
        """Whether somebody else is using the GPU."""
        return all(self._sing() > _SLOW * self.usual_ms for _ in range(_ATTEMPTS))

    def calm(self) -> bool:
        """Wait until nobody else is using the GPU; False if that does not come to pass."""
        deadline = time.monotonic() + _CALM_S
        while self.slow():
            if time.monotonic() > deadline:
                return False
        return True

    def _sing(self) -> float:
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(_PASSES):
            self._memory.add_(1.0)
        torch.cuda.synchronize()
        return (time.perf_counter() - began) * 1e3
