"""Memory that was allocated and not written holds a pattern that no right answer has, so that reading it shows.

Two patterns take turns: a kernel whose own arithmetic swallows the one (a maximum drops NaN) shows with the other.
"""

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

from evaluator.inside.tree import dtype_of

PATTERNS = (0xFF, 0x5A)  # NaN in every floating format and -1; about 1e16 in float32 and bfloat16, 203 in float16
_SMALL_BLOCKS = (
    512,
    4096,
    65_536,
    1 << 20,
    4 << 20,
)  # workspaces: sizes that torch's allocator takes from shared pages
_COPIES = 2


def pattern(draw: int) -> int:
    """The byte for this draw."""
    return PATTERNS[draw % len(PATTERNS)]


def fill(tensor: torch.Tensor, byte: int, start: int = 0) -> None:
    """Fill the memory behind `tensor` with `byte`, from byte number `start` of its storage."""
    if isinstance(tensor, FakeTensor) or tensor.device.type == "meta":
        return
    storage = tensor.untyped_storage()
    raw = torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(storage)
    raw[start:].fill_(1 if tensor.dtype == torch.bool else byte)


def prefill(places: list[dict[str, Any]], byte: int) -> None:
    """Let torch's CUDA allocator hold free blocks full of `byte`, of the sizes that a forward is likely to ask for.

    `places` are the lent inputs and outputs: what a forward allocates is often as large as one of them. Blocks that
    don't fit into the GPU's memory are left out.
    """
    sizes = [_bytes(place) for place in places]
    blocks = []
    for size in [*sizes, *_SMALL_BLOCKS] * _COPIES:
        try:
            blocks.append(torch.empty(size, dtype=torch.uint8, device="cuda").fill_(byte))
        except torch.cuda.OutOfMemoryError:
            break
    del blocks  # free, and not returned to the driver


def _bytes(place: dict[str, Any]) -> int:
    elements = 1
    for size in place["shape"]:
        elements *= size
    return elements * dtype_of(place["dtype"]).itemsize
