"""Which addresses a kernel may touch: those of the tensors that it was given."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt


class OutOfBounds(Exception):
    """A kernel reads or writes outside of every tensor that it was given."""


@dataclass(frozen=True)
class Bounds:
    """Half-open address ranges of the storages behind a launch's arguments, sorted and disjoint."""

    starts: npt.NDArray[np.uint64]
    ends: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, arguments: Iterable[Any]) -> Self:
        ranges = sorted({found for argument in arguments for found in _ranges(argument)})
        starts = np.array([start for start, _ in ranges], dtype=np.uint64)
        return cls(starts, np.array([end for _, end in ranges], dtype=np.uint64))

    def check(self, addresses: Any, mask: Any, size: int, access: str) -> None:
        """Raise OutOfBounds if an unmasked element of `size` bytes lies outside."""
        wanted = np.asarray(addresses, dtype=np.uint64)
        if mask is not None:
            wanted = wanted[np.broadcast_to(np.asarray(mask, dtype=bool), wanted.shape)]
        if wanted.size == 0:
            return
        index = np.searchsorted(self.starts, wanted, side="right").astype(np.int64) - 1
        inside = index >= 0
        if inside.any():
            inside &= wanted + np.uint64(size) <= self.ends[np.maximum(index, 0)]
        if not inside.all():
            count = int((~inside).sum())
            raise OutOfBounds(
                f"a {access} touches {count} of {wanted.size} elements outside of the tensors given to the kernel;"
                " mask what lies beyond their ends"
            )


def _ranges(value: Any) -> Iterable[tuple[int, int]]:
    value = getattr(value, "base", value) if not hasattr(value, "untyped_storage") else value
    if hasattr(value, "untyped_storage"):
        storage = value.untyped_storage()
        if storage.nbytes():
            yield storage.data_ptr(), storage.data_ptr() + storage.nbytes()
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _ranges(item)
