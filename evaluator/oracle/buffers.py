"""Memory that the oracle lends to a worker: every buffer is an allocation of its own and holds nothing else.

On a GPU a buffer is a whole number of 2 MiB pages: the driver packs smaller allocations into one such page, and an IPC
handle exports the page. Without a GPU it is a memfd sealed against resizing, since a worker that shrank it would crash
the oracle.
"""

import ctypes
import fcntl
import mmap
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import torch

from evaluator.inside.memory import IpcHandle, device_bytes, driver_call, pin, unpin, view
from evaluator.inside.timing import copying
from evaluator.inside.tree import dtype_name

Transport = Literal["ipc", "pinned"]
"""How tensors cross on a GPU: device memory that both see, or host memory that is copied to and from the GPU."""

_PAGE = 2 * 1024 * 1024
_ALIGNMENT = 512  # bytes, as torch aligns
_POISON = 0xFF  # NaN in every floating format, -1 in integers


class Buffer(Protocol):
    """Lent memory: `raw` is all of it as uint8."""

    raw: torch.Tensor

    def __init__(self, size: int) -> None: ...

    def describe(self, fds: list[int]) -> dict[str, Any]:
        """What the worker needs to open it; a descriptor to be sent along is appended to `fds`."""
        ...

    def close(self) -> None: ...


class HostBuffer:
    """A sealed memfd of `size` bytes."""

    def __init__(self, size: int) -> None:
        self._fd = os.memfd_create("lent", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._size = max(size, mmap.PAGESIZE)
        os.ftruncate(self._fd, self._size)
        fcntl.fcntl(self._fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        self.raw = torch.frombuffer(mmap.mmap(self._fd, self._size), dtype=torch.uint8)

    def describe(self, fds: list[int]) -> dict[str, Any]:
        fds.append(self._fd)
        return {"bytes": self._size, "fd": len(fds) - 1}

    def close(self) -> None:
        os.close(self._fd)


class DeviceBuffer:
    """GPU memory of its own driver allocation, exported by CUDA IPC."""

    def __init__(self, size: int) -> None:
        self._size = -(-max(size, 1) // _PAGE) * _PAGE
        self._address = ctypes.c_uint64()
        driver_call("cuMemAlloc_v2", ctypes.byref(self._address), ctypes.c_size_t(self._size))
        self.raw = device_bytes(self._address.value, self._size)

    def describe(self, fds: list[int]) -> dict[str, Any]:
        handle = IpcHandle()
        driver_call("cuIpcGetMemHandle", ctypes.byref(handle), self._address)
        return {"bytes": self._size, "ipc": bytes(handle).hex()}

    def close(self) -> None:
        driver_call("cuMemFree_v2", self._address)


class PinnedBuffer(HostBuffer):
    """A memfd that both processes map and register with the driver, for machines without CUDA IPC.

    Tensors in it are the host's: they are copied to and from the GPU, by DMA where the driver pins as much memory.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._pinned = pin(self.raw)

    def describe(self, fds: list[int]) -> dict[str, Any]:
        return super().describe(fds) | {"pin": True}

    def close(self) -> None:
        if self._pinned:
            unpin(self.raw)
        super().close()


class Loan:
    """All the memory lent to one worker. Close it only after the worker has been killed.

    Args:
        device: where the oracle computes.
        transport: how tensors cross if that is a GPU.
    """

    def __init__(self, device: str, transport: Transport = "ipc") -> None:
        on_gpu: dict[Transport, type[Buffer]] = {"ipc": DeviceBuffer, "pinned": PinnedBuffer}
        self._kind: type[Buffer] = on_gpu[transport] if device == "cuda" else HostBuffer
        self._device = device
        self._buffers: list[Buffer] = []
        self._sent = 0

    def place(self, like: torch.Tensor) -> dict[str, Any]:
        """Room for a tensor with the shape, strides and dtype of `like`: a new buffer."""
        self._buffers.append(self._kind(_extent(like)))
        return self._place(like, 0)

    def pack(self, likes: Sequence[torch.Tensor]) -> list[dict[str, Any]]:
        """Room for several tensors in one new buffer that holds nothing else, each aligned as an allocation is."""
        offsets = []
        end = 0
        for like in likes:
            offsets.append(end)
            end += -(-max(_extent(like), 1) // _ALIGNMENT) * _ALIGNMENT
        self._buffers.append(self._kind(end))
        return [self._place(like, offset) for like, offset in zip(likes, offsets, strict=True)]

    def _place(self, like: torch.Tensor, offset: int) -> dict[str, Any]:
        """Where a tensor lies in the newest buffer."""
        return {
            "buffer": len(self._buffers) - 1,
            "offset": offset,
            "shape": list(like.shape),
            "strides": list(_dense_strides(like)),
            "dtype": dtype_name(like.dtype),
        }

    def announcement(self) -> tuple[dict[str, Any], tuple[int, ...]]:
        """The `lend` message for the buffers made since the last one, and its descriptors."""
        fds: list[int] = []
        new = range(self._sent, len(self._buffers))
        described = [{"id": index} | self._buffers[index].describe(fds) for index in new]
        self._sent = len(self._buffers)
        return {"do": "lend", "buffers": described}, tuple(fds)

    def tensor(self, place: dict[str, Any]) -> torch.Tensor:
        """The lent memory at `place`; the worker may write to it at any time, so judge copies only."""
        return view(self._buffers[place["buffer"]].raw, place)

    def room(self, outputs: Sequence[dict[str, Any]], inputs: Sequence[dict[str, Any]] = ()) -> "Room":
        """The oracle's own memory for copies of the tensors at `outputs`, which are made of those at `inputs`."""
        return Room(self._raw(outputs), outputs, self._raw(inputs), self._device)

    def _raw(self, places: Sequence[dict[str, Any]]) -> dict[int, torch.Tensor]:
        return {place["buffer"]: self._buffers[place["buffer"]].raw for place in places}

    def copy(self, place: dict[str, Any]) -> torch.Tensor:
        """A copy of the tensor at `place` that is the oracle's own, where the oracle computes."""
        return self.tensor(place).to(self._device, copy=True)

    def poison(self, place: dict[str, Any]) -> None:
        """Fill a receiving buffer with a pattern that no right answer has (NaN in floating formats)."""
        self._buffers[place["buffer"]].raw.fill_(_POISON)

    def close(self) -> None:
        """Give the memory back."""
        for buffer in self._buffers:
            buffer.close()
        self._buffers = []


class Room:
    """Memory that is the oracle's own, for one copy after the other of the same places, out of the worker's reach.

    It is taken once and each buffer copied in one piece, so that a copy costs what the copying does. Outputs
    are handed over as a worker does it: collected on the device, and sent from there if lent memory is elsewhere.

    Args:
        lent: the buffers of `places`, all as uint8.
        inputs: buffers that the worker reads; it copies them to the GPU first where they are not there.
        device: where the oracle computes.
    """

    def __init__(
        self,
        lent: Mapping[int, torch.Tensor],
        places: Sequence[dict[str, Any]],
        inputs: Mapping[int, torch.Tensor],
        device: str,
    ) -> None:
        self._lent = lent
        self._places = places
        self._device = device
        self._own = {number: torch.empty_like(raw, device=device) for number, raw in lent.items()}
        away = [raw for raw in inputs.values() if raw.device.type != device]
        self._staged = [(torch.empty_like(raw, device=device), raw) for raw in away]
        self._received = {number: raw.to(device) for number, raw in lent.items() if raw.device.type != device}
        self.fill()  # handing over is tried out at once: a worker must not be shown what was in this memory before
        receiving = {**lent, **self._received}
        receivers = [view(receiving[place["buffer"]], place) for place in places]
        self._hand_over = copying(list(zip(receivers, self.tensors(), strict=True)), as_graph=device == "cuda")

    def hand_over(self) -> None:
        """Copy what a worker that runs its forwards copies besides; on a GPU this is enqueued.

        What lies in the outputs then is what was last copied from them: poison them before they mean anything again.
        """
        for staged, lent in self._staged:
            staged.copy_(lent)
        self._hand_over()
        for number, received in self._received.items():
            self._lent[number].copy_(received, non_blocking=True)

    def fill(self) -> None:
        """Copy what the lent memory holds now, and wait until that is done."""
        for number, own in self._own.items():
            own.copy_(self._lent[number])
        if self._device == "cuda":
            torch.cuda.synchronize()

    def tensors(self) -> list[torch.Tensor]:
        """The copies at each place, in order; the next `fill` overwrites them."""
        return [view(self._own[place["buffer"]], place) for place in self._places]


def _extent(like: torch.Tensor) -> int:
    """Bytes from the first to behind the last element of a dense tensor like this one."""
    strides = _dense_strides(like)
    last = sum((size - 1) * stride for size, stride in zip(like.shape, strides, strict=True) if size > 1)
    return 0 if like.numel() == 0 else (last + 1) * like.element_size()


def _dense_strides(like: torch.Tensor) -> tuple[int, ...]:
    """The tensor's own strides, or contiguous ones where elements overlap (expanded tensors can't be written to)."""
    if any(stride == 0 and size > 1 for size, stride in zip(like.shape, like.stride(), strict=True)):
        return tuple(torch.empty(like.shape, device="meta").stride())
    return tuple(like.stride())
