"""A Triton driver for a GPU that is not there: it says what to compile for, and launches nothing."""

import os
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver

from evaluator.inside.device import Device

# Stated because the default differs between Triton versions. Workers on a GPU should set the same.
ENVIRONMENT = {"TRITON_DEFAULT_FP_FUSION": "1"}


class StubDriver:
    """Answers the questions that binding, specialising, tuning and compiling ask of `triton.runtime.driver.active`."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.utils = SimpleNamespace(get_device_properties=self._properties)
        self.get_device_capability = lambda *_: (device.major, device.minor)

    def _properties(self, _: int = 0) -> dict[str, int]:
        return {
            "max_shared_mem": self._device.shared_per_block_bytes,
            "max_num_regs": self._device.registers_per_sm,
            "multiprocessor_count": self._device.sms,
            "warpSize": self._device.warp_size,
        }

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self._device.capability, self._device.warp_size)

    def get_current_device(self) -> int:
        return 0

    def set_current_device(self, device: int) -> None:
        pass

    def get_current_stream(self, device: int = 0) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cuda", 0)

    def get_device_interface(self) -> Any:
        return torch.cuda

    def get_benchmarker(self) -> Callable[..., Sequence[float]]:
        def run_once(kernel_call: Callable[[], Any], quantiles: Sequence[float] = (0.5,), **_: Any) -> list[float]:
            kernel_call()
            return [0.0] * len(quantiles)

        return run_once


def activate(device: Device) -> None:
    """Make Triton believe that `device` is there, for the rest of this process."""
    os.environ.update(ENVIRONMENT)
    driver.set_active(StubDriver(device))
