"""Memory lent by the oracle, as seen from a worker: a memfd on a machine without a GPU, CUDA IPC on one with it.

Where a GPU has no CUDA IPC it is a memfd as well (`"pin": true`), and tensors are copied to and from the GPU.

A lent buffer is described by `{"id", "bytes", "fd": index of the descriptor sent along}` or
`{"id", "bytes", "ipc": handle in hex}`. A tensor in it by `{"buffer": id, "shape", "strides", "dtype"}`.
"""

import ctypes
import mmap
import os
from collections.abc import Iterable
from typing import Any

import torch

from evaluator.inside.tree import dtype_of

_LAZY_ENABLE_PEER_ACCESS = 1  # CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS, the only flag that cuIpcOpenMemHandle has


class CudaFailure(RuntimeError):
    """A call of the CUDA driver failed."""


class IpcHandle(ctypes.Structure):
    _fields_ = (("reserved", ctypes.c_char * 64),)


class _DeviceBytes:
    """Raw device memory in the form that torch.as_tensor takes without copying."""

    def __init__(self, address: int, size: int) -> None:
        self.__cuda_array_interface__ = {
            "shape": (size,),
            "typestr": "|u1",
            "data": (address, False),
            "strides": None,
            "version": 3,
        }


def driver_call(name: str, *arguments: Any) -> None:
    """Call a function of libcuda.

    Raises:
        CudaFailure: it returned an error code.
    """
    code = getattr(ctypes.CDLL("libcuda.so.1"), name)(*arguments)
    if code != 0:
        raise CudaFailure(f"{name} failed with CUDA error {code}")


def device_bytes(address: int, size: int) -> torch.Tensor:
    """Device memory as a uint8 tensor of `size` elements; the caller keeps the memory alive."""
    return torch.as_tensor(_DeviceBytes(address, size), device="cuda")


class Loans:
    """The buffers that this worker was lent, opened once and kept by id.

    On a GPU without CUDA IPC they lie in host memory. What forwards read, and where the outputs of a ring are
    collected, are then copies on the GPU, made once for each buffer, so that new contents come to the same address.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._bytes: dict[int, torch.Tensor] = {}
        self._pinned: list[torch.Tensor] = []
        self._staged: dict[int, torch.Tensor] = {}

    def open(self, descriptions: list[dict[str, Any]], fds: tuple[int, ...]) -> None:
        """Map the described buffers; closes the descriptors."""
        for description in descriptions:
            opened = _open_ipc(description) if "ipc" in description else _open_fd(description, fds)
            if description.get("pin") and pin(opened):
                self._pinned.append(opened)
            self._bytes[description["id"]] = opened
        for fd in fds:
            os.close(fd)

    def close(self) -> None:
        """Unpin what was pinned: only needed where the process lives on.

        The driver would go on copying from the pages that were pinned, whatever is mapped at their address by then.
        """
        for raw in self._pinned:
            unpin(raw)
        self._pinned.clear()
        self._bytes.clear()

    def tensor(self, place: dict[str, Any]) -> torch.Tensor:
        """The tensor at `place`, sharing the lent memory."""
        return view(self._bytes[place["buffer"]], place)

    def argument(self, place: dict[str, Any]) -> torch.Tensor:
        """The tensor at `place` on this worker's device, with its contents as they are now."""
        here = self.here(place)
        return here.copy_(self.tensor(place)) if place["buffer"] in self._staged else here

    def here(self, place: dict[str, Any]) -> torch.Tensor:
        """What stands on this worker's device for the lent memory at `place`; `send` brings it to the oracle."""
        lent = self._bytes[place["buffer"]]
        if lent.device.type == self._device:
            return view(lent, place)
        if place["buffer"] not in self._staged:
            self._staged[place["buffer"]] = lent.to(self._device)
        return view(self._staged[place["buffer"]], place)

    def refresh(self, numbers: Iterable[int]) -> None:
        """Bring what the oracle has written since to the arguments that were made of these buffers."""
        for number in numbers:
            if number in self._staged:
                self._staged[number].copy_(self._bytes[number])

    def send(self, numbers: Iterable[int]) -> None:
        """Bring what stands for these buffers to the oracle: one copy for each, enqueued on a GPU."""
        for number in numbers:
            if number in self._staged:
                self._bytes[number].copy_(self._staged[number], non_blocking=True)

    def give_back(self, places: list[dict[str, Any]]) -> None:
        """Show the oracle what became of the arguments at `places`: a forward may have written to them."""
        for place in places:
            if place["buffer"] in self._staged:
                self.tensor(place).copy_(view(self._staged[place["buffer"]], place))


def view(raw: torch.Tensor, place: dict[str, Any]) -> torch.Tensor:
    """`raw` (uint8) seen with the shape, strides and dtype of `place`."""
    dtype = dtype_of(place["dtype"])
    raw = raw[place.get("offset", 0) :]
    usable = raw.numel() // dtype.itemsize * dtype.itemsize
    return raw[:usable].view(dtype).as_strided(place["shape"], place["strides"])


def pin(raw: torch.Tensor) -> bool:
    """Register host memory with the driver, so that copies need not go through a buffer of its own.

    False where the driver does not (WSL2 bounds how much can be pinned): copies are slower then, and no less right.
    """
    try:
        size, portable = ctypes.c_size_t(raw.numel()), ctypes.c_uint(1)
        driver_call("cuMemHostRegister_v2", ctypes.c_void_p(raw.data_ptr()), size, portable)
    except CudaFailure:
        return False
    return True


def unpin(raw: torch.Tensor) -> None:
    """Undo `pin`, before the memory is given up."""
    driver_call("cuMemHostUnregister", ctypes.c_void_p(raw.data_ptr()))


def _open_fd(description: dict[str, Any], fds: tuple[int, ...]) -> torch.Tensor:
    mapped = mmap.mmap(fds[description["fd"]], description["bytes"])
    return torch.frombuffer(mapped, dtype=torch.uint8)


def _open_ipc(description: dict[str, Any]) -> torch.Tensor:
    address = ctypes.c_uint64()
    handle = IpcHandle.from_buffer_copy(bytes.fromhex(description["ipc"]))
    driver_call("cuIpcOpenMemHandle_v2", ctypes.byref(address), handle, ctypes.c_uint(_LAZY_ENABLE_PEER_ACCESS))
    return device_bytes(address.value, description["bytes"])
