"""Timing in the worker: CUDA events around single forwards, each under a cold L2.

Before every forward the whole L2 is overwritten. The GPU is then kept busy for as long as the host needs to enqueue a
forward, so that what the events see is GPU time and not launch latency.
"""

import time
from typing import Any, Protocol

import torch

_SPIN_MARGIN = 1.5  # the host's enqueue time varies
_MAX_SPIN_S = 2e-3


class Runnable(Protocol):
    def forward(self) -> Any: ...


class Stopwatch:
    """Times forwards of one model on one device. `flush_bytes` should be at least twice the L2."""

    def __init__(self, flush_bytes: int) -> None:
        self._flush = torch.empty(flush_bytes, dtype=torch.uint8, device="cuda")
        self._spin_cycles = 0

    def warm(self, model: Runnable, calls: int) -> float:
        """Call `calls` times and learn how long the host needs to enqueue one forward; returns its GPU time in ms."""
        for _ in range(calls):
            model.forward()
        torch.cuda.synchronize()
        began = time.perf_counter()
        model.forward()
        enqueued = time.perf_counter() - began
        torch.cuda.synchronize()
        kilohertz = torch.cuda.get_device_properties(0).clock_rate
        self._spin_cycles = int(min(enqueued * _SPIN_MARGIN, _MAX_SPIN_S) * kilohertz * 1e3)
        return self.time(model, 1)[0]

    def time(self, model: Runnable, repeats: int) -> list[float]:
        """Milliseconds of `repeats` forwards, each by its own pair of events."""
        pairs = []
        for _ in range(repeats):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            self._flush.zero_()
            torch.cuda._sleep(self._spin_cycles)
            begin.record()
            model.forward()
            end.record()
            pairs.append((begin, end))
        torch.cuda.synchronize()
        return [begin.elapsed_time(end) for begin, end in pairs]
