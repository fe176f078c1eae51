"""What one forward on the GPU consists of: the candidate's kernels, their resources, their shares of the time."""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch.autograd import DeviceType
from triton.runtime.jit import JITFunction

from evaluator.inside import pins

_ROUNDING_US = 0.01
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


def kernel_times(forward: Callable[[], object]) -> list[dict[str, Any]]:
    """Everything that ran on the GPU during one forward, by Kineto; see `gpu_work`.

    The profiler's hooks stay in the process: nothing should be timed in it afterwards.
    """
    activities = (torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        forward()
        torch.cuda.synchronize()
    return gpu_work(profile.events() or ())


def gpu_work(events: Iterable[Any]) -> list[dict[str, Any]]:
    """Kernels, copies and fills among a profile's events: {"name", "ms", "operator"}, largest first.

    `operator` is the torch operator that launched it, without `aten::`; empty if none did. Ranges that a program
    names itself are no work.
    """
    whole: dict[str, float] = {}
    launched: dict[tuple[str, str], float] = {}
    for event in events:
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation:
            whole[event.name] = whole.get(event.name, 0.0) + event.time_range.elapsed_us()
        elif event.device_type == DeviceType.CPU and event.name.startswith("aten::"):
            for kernel in event.kernels:
                key = (kernel.name, event.name.removeprefix("aten::"))
                launched[key] = launched.get(key, 0.0) + kernel.duration
    for (name, _), microseconds in launched.items():
        whole[name] = whole.get(name, 0.0) - microseconds
    spent = [(name, "", microseconds) for name, microseconds in whole.items() if microseconds > _ROUNDING_US]
    spent += [(name, operator, microseconds) for (name, operator), microseconds in launched.items()]
    ordered = sorted(spent, key=lambda entry: -entry[2])
    return [{"name": name, "operator": operator, "ms": each / 1e3} for name, operator, each in ordered]


def _events() -> tuple[torch.cuda.Event, torch.cuda.Event]:
    return torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
