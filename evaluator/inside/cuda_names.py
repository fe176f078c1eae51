"""Lets code that was written for CUDA run on CPU tensors: it asks for `cuda`, gets the CPU, and is told `cuda`.

Python-level calls are translated by a TorchFunctionMode; what is no tensor function (torch.cuda.*, the `device`
property of fake tensors) is patched for as long as the context lasts.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode

from evaluator.inside.device import Device

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")


class CudaNames(TorchFunctionMode):
    """While active, `cuda` means the CPU, and tensors claim to be on device cuda:0.

    Tensors whose device was asked for as `cpu` are indistinguishable from the others: everything claims cuda.
    """

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device = device
        self._patches = ExitStack()

    def __enter__(self) -> Self:
        self._patches.enter_context(_cuda_module(self._device))
        self._patches.enter_context(patch.object(torch.autocast, "__init__", _autocast_init(torch.autocast.__init__)))
        self._patches.enter_context(patch.object(FakeTensor, "device", _fake_device_property()))
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._patches.close()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        answer = _ANSWERS.get(func)
        if answer is not None:
            return answer(*args)
        if func is torch.device:  # a name, not a place: it stays what the candidate called it
            return func(*args, **(kwargs or {}))
        options = {name: _on_cpu(value) for name, value in (kwargs or {}).items() if name != "pin_memory"}
        if isinstance(options.get("device"), int):
            options["device"] = CPU  # a bare number is the index of a GPU
        return func(*_on_cpu(args), **options)


def _move_to_cuda(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return tensor


_ANSWERS: dict[Any, Callable[..., Any]] = {
    torch.Tensor.cuda: _move_to_cuda,
    torch.Tensor.get_device: lambda tensor: 0,
    torch.Tensor.is_cuda.__get__: lambda *_: True,
    torch.Tensor.is_cpu.__get__: lambda *_: False,
    torch.Tensor.device.__get__: lambda *_: CUDA,
    torch.Tensor.is_pinned: lambda *_: True,
    torch.Tensor.pin_memory: _move_to_cuda,
}


def _on_cpu(value: Any) -> Any:
    """`value` with devices and device names of CUDA replaced by the CPU, inside tuples and lists too.

    Strings are only changed where they are a device's name: no torch function takes "cuda" for anything else.
    """
    if isinstance(value, torch.device):
        return CPU if value.type == "cuda" else value
    if isinstance(value, str):
        return "cpu" if value == "cuda" or value.startswith("cuda:") else value
    if type(value) is tuple or type(value) is list:
        return type(value)(_on_cpu(item) for item in value)
    return value


def _fake_device_property() -> property:
    """`FakeTensor.device` is a Python property that no function mode sees, and torch's own code must get the truth."""
    truth: Any = FakeTensor.__dict__["device"].fget

    def device(tensor: FakeTensor) -> torch.device:
        asker = sys._getframe(1).f_globals.get("__name__", "")
        real: torch.device = truth(tensor)
        return real if asker.partition(".")[0] == "torch" or real.type == "meta" else CUDA

    return property(device)


def _autocast_init(init: Callable[..., None]) -> Callable[..., None]:
    """torch.autocast("cuda") as torch.autocast("cpu") with CUDA's default type."""

    def start(context: Any, device_type: str, dtype: torch.dtype | None = None, *args: Any, **kwargs: Any) -> None:
        if device_type == "cuda":
            device_type, dtype = "cpu", dtype or torch.float16
        init(context, device_type, dtype, *args, **kwargs)

    return start


class _Context:
    """torch.cuda.device and its kin, which have nothing to switch here."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        pass


def _properties(device: Device) -> SimpleNamespace:
    return SimpleNamespace(
        name=device.name,
        major=device.major,
        minor=device.minor,
        total_memory=device.memory_bytes,
        multi_processor_count=device.sms,
        max_threads_per_multi_processor=device.threads_per_sm,
        regs_per_multiprocessor=device.registers_per_sm,
        shared_memory_per_multiprocessor=device.shared_per_sm_bytes,
        shared_memory_per_block=48 * 1024,
        shared_memory_per_block_optin=device.shared_per_block_bytes,
        L2_cache_size=device.l2_bytes,
        warp_size=device.warp_size,
        is_integrated=0,
        is_multi_gpu_board=0,
    )


@contextmanager
def _cuda_module(device: Device) -> Iterator[None]:
    """torch.cuda as it answers on a machine with one `device`."""
    stream = SimpleNamespace(cuda_stream=0, device=CUDA, synchronize=lambda: None, query=lambda: True)
    answers: dict[str, Any] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "init": lambda: None,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda *_: None,
        "synchronize": lambda *_, **__: None,
        "empty_cache": lambda: None,
        "ipc_collect": lambda: None,
        "current_stream": lambda *_: stream,
        "default_stream": lambda *_: stream,
        "stream": lambda *_: nullcontext(),
        "device": _Context,
        "device_of": _Context,
        "get_device_name": lambda *_: device.name,
        "get_device_capability": lambda *_: (device.major, device.minor),
        "get_device_properties": lambda *_: _properties(device),
        "mem_get_info": lambda *_: (device.memory_bytes, device.memory_bytes),
        "memory_allocated": lambda *_: 0,
        "max_memory_allocated": lambda *_: 0,
        "reset_peak_memory_stats": lambda *_: None,
        "is_bf16_supported": lambda *_, **__: device.capability >= 80,
        "manual_seed": lambda *_: None,
        "manual_seed_all": lambda *_: None,
    }
    with ExitStack() as patches:
        for name, answer in answers.items():
            patches.enter_context(patch.object(torch.cuda, name, answer))
        yield
