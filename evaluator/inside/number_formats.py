"""Conversions between float32 and the formats that numpy lacks, which Triton's interpreter keeps as raw bits."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from evaluator.inside.operators import suspended

Array = npt.NDArray[Any]


def bf16_to_f32(bits: Array) -> Array:
    return (np.asarray(bits, dtype=np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)


def f32_to_bf16(values: Array, truncate: bool = False) -> Array:
    """Bits of the nearest bfloat16, ties to even, or of the next one towards zero; NaN stays NaN."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounding = np.uint32(0) if truncate else np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    # Adding to a NaN's bits could carry into the sign: NaN gets the canonical pattern instead.
    rounded = ((bits.astype(np.uint64) + rounding) >> np.uint64(16)).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)


def f32_to_tf32(values: Array) -> Array:
    """float32 with the 10 mantissa bits that tensor cores keep, nearest, ties away from zero."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)
    return np.where(np.isfinite(values), rounded, values)


@suspended()
def f8_to_f32(bits: Array, dtype: torch.dtype) -> Array:
    values: Array = torch.from_numpy(np.array(bits, dtype=np.uint8)).view(dtype).to(torch.float32).numpy()
    return values


@suspended()
def f32_to_f8(values: Array, dtype: torch.dtype) -> Array:
    """Bits of the nearest float8, clamped to the largest finite value as CUDA's conversions do."""
    limit = torch.finfo(dtype).max
    bits: Array = (
        torch.from_numpy(np.array(values, dtype=np.float32)).clamp(-limit, limit).to(dtype).view(torch.uint8).numpy()
    )
    return bits
