"""Descriptions of tensors that cross between processes, and stand-ins for tensors at a kernel launch."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from triton.runtime.jit import TensorWrapper

# Where stand-ins pretend to lie: aligned as torch's CUDA allocator aligns (512 bytes), so Triton assumes 16.
BASE_ADDRESS = 1 << 32


@dataclass(frozen=True)
class TensorSpec:
    """The layout of a tensor, without its contents. Strides and offset are in elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str  # float32, as torch names it
    offset: int = 0

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Self:
        dtype = str(tensor.dtype).removeprefix("torch.")
        return cls(tuple(tensor.shape), tuple(tensor.stride()), dtype, int(tensor.storage_offset()))

    def empty(self) -> torch.Tensor:
        """A tensor of this layout, under whatever mode is active; what it holds is undefined."""
        return self._view(torch.empty)

    def zeros(self) -> torch.Tensor:
        return self._view(torch.zeros)

    def _view(self, make: Any) -> torch.Tensor:
        last = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        elements = self.offset + last + 1 if 0 not in self.shape else self.offset
        storage: torch.Tensor = make(elements, dtype=getattr(torch, self.dtype))
        return storage.as_strided(self.shape, self.strides, self.offset)


def describe(value: Any) -> Any:
    """`value` with every tensor in it replaced by its TensorSpec."""
    if isinstance(value, torch.Tensor):
        return TensorSpec.of(value)
    return _map(value, describe)


def empty_like(value: Any) -> Any:
    """`value` with every TensorSpec in it replaced by an empty tensor."""
    if isinstance(value, TensorSpec):
        return value.empty()
    return _map(value, empty_like)


def small_like(value: Any) -> Any:
    """`value` with every TensorSpec in it replaced by zeros, which are valid as indices too."""
    if isinstance(value, TensorSpec):
        return value.zeros()
    return _map(value, small_like)


@dataclass(frozen=True)
class StandIn:
    """What Triton looks at when it specialises a pointer argument: type and alignment, and no memory behind it."""

    dtype: Any
    address: int

    def data_ptr(self) -> int:
        return self.address

    def ptr_range(self) -> int:
        return 0


def stand_in(value: Any) -> Any:
    """`value` with tensors replaced by stand-ins, aligned to 512 bytes plus the offset of the view."""
    if isinstance(value, torch.Tensor):
        return StandIn(value.dtype, BASE_ADDRESS + int(value.storage_offset()) * value.element_size())
    if isinstance(value, TensorWrapper):
        base = value.base
        return StandIn(value.dtype, BASE_ADDRESS + int(base.storage_offset()) * base.element_size())
    return _map(value, stand_in)


def _map(value: Any, function: Any) -> Any:
    if isinstance(value, tuple):
        items = [function(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, list):
        return [function(item) for item in value]
    if isinstance(value, dict):
        return {key: function(item) for key, item in value.items()}
    return value
