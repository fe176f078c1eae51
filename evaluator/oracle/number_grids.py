"""Do the values of a float32 tensor lie on the grid of a coarser format? Then somebody rounded them to it."""

import torch

_SAMPLE = 1 << 16
_ALMOST_ALL = 0.99
_GRIDS = (("bfloat16", 16), ("float16 or TF32", 13))  # low bits of a float32 mantissa that the format does not have


def coarser(got: torch.Tensor, own: torch.Tensor) -> str:
    """The format that nearly all of `got` is rounded to while `own`, the reference's output, is not; else empty.

    Zeros and special values tell nothing and are left out. Both are float32 of the same shape; other types: empty.
    """
    if got.dtype is not torch.float32 or own.dtype is not torch.float32 or not got.numel():
        return ""
    step = max(1, got.numel() // _SAMPLE)
    ours, theirs = _mantissas(own, step), _mantissas(got, step)
    for name, bits in _GRIDS:
        if _share(theirs, bits) > _ALMOST_ALL and _share(ours, bits) < 0.5:
            return name
    return ""


def _mantissas(tensor: torch.Tensor, step: int) -> torch.Tensor:
    sample = tensor.flatten()[::step].contiguous()
    return sample[torch.isfinite(sample) & (sample != 0)].view(torch.int32)


def _share(mantissas: torch.Tensor, bits: int) -> float:
    if mantissas.numel() < 16:
        return 0.0
    return float(((mantissas & ((1 << bits) - 1)) == 0).double().mean())
