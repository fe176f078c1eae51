"""Which program of which kernel wrote to an address: noted store by store while the interpreter runs a forward."""

from typing import Any

import numpy as np
import numpy.typing as npt

_MOST = 1 << 22  # addresses kept; what a traced forward writes beyond them is not noted


class Stores:
    """What programs of a forward have written, in order."""

    def __init__(self) -> None:
        self._seen: list[tuple[str, tuple[int, ...], tuple[int, ...], npt.NDArray[np.uint64]]] = []
        self._count = 0

    def add(self, kernel: str, program: tuple[int, ...], grid: tuple[int, ...], addresses: Any, mask: Any) -> None:
        """Note one store of a program: the addresses of its elements, and which of them it writes (None: all)."""
        wanted = np.asarray(addresses, dtype=np.uint64)
        if mask is not None:
            wanted = wanted[np.broadcast_to(np.asarray(mask, dtype=bool), wanted.shape)]
        if self._count + wanted.size <= _MOST:
            self._count += wanted.size
            self._seen.append((kernel, program, grid, wanted.flatten()))

    def writers(self, address: int) -> list[dict[str, Any]]:
        """The programs that wrote the element at this address, each once, in the order of their first store to it."""
        found: dict[tuple[str, tuple[int, ...]], dict[str, Any]] = {}
        for kernel, program, grid, addresses in self._seen:
            if (addresses == np.uint64(address)).any():
                found[kernel, program] = {"kernel": kernel, "program": list(program), "grid": list(grid)}
        return list(found.values())
