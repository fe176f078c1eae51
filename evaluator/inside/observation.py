"""What one forward on the GPU consists of: the candidate's kernels, their resources, their shares of the time."""

from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from triton.runtime.jit import JITFunction

from evaluator.inside import pins

_HEAD_START_CYCLES = 4_000_000  # about 2 ms: time for the host to enqueue a forward before the GPU begins with it


def observe(module: ModuleType, forward: Callable[[], object]) -> dict[str, Any]:
    """Facts of every kernel of the candidate's that one forward launches, and the configurations that tuning chose."""
    kernels = pins.facts(forward)
    shares = time_shares(forward)
    for kernel in kernels:
        kernel["time_share"] = shares.get(kernel["name"])
    return {"kernels": kernels, "autotune": pins.chosen(module)}


def time_shares(forward: Callable[[], object]) -> dict[str, float]:
    """GPU time of each own kernel over that of the whole forward, by events around its launches."""
    launch = JITFunction.run
    spans: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        begin, end = _events()
        begin.record()
        result = launch(self, *args, **kwargs)
        end.record()
        spans.append((self.__name__, begin, end))
        return result

    begin, end = _events()
    torch.cuda._sleep(_HEAD_START_CYCLES)
    with patch.object(JITFunction, "run", timed):
        begin.record()
        forward()
        end.record()
    torch.cuda.synchronize()
    whole = begin.elapsed_time(end)
    shares: dict[str, float] = {}
    for name, first, last in spans:
        shares[name] = shares.get(name, 0.0) + first.elapsed_time(last) / whole
    return shares


def _events() -> tuple[torch.cuda.Event, torch.cuda.Event]:
    return torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
