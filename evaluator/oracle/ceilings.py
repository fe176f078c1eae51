"""What the device reaches: the best of several large copies and matrix products, timed by CUDA events.

Nothing of a candidate's runs in this process, so the figures need no witness. They are taken once for each device and
software, in about two seconds, while the waiting workers are frozen.
"""

import time
from collections.abc import Callable

import torch

from evaluator.work import Ceilings

_COPY_BYTES = 2**30  # beyond any L2, so that what is read comes from memory and what is written goes there
_PART_OF_FREE = 4  # no more of the free memory than a quarter for one buffer
_SIDE = 8192  # of the square matrices: 1.1 TFLOP a product, which fills any GPU
_WARM = 3
_SAMPLES = 20
_MOST_S = 0.5  # wall time of one measurement


def measure(device: str) -> Ceilings | None:
    """The ceilings of the current GPU; None if there is not memory enough to measure them.

    Args:
        device: its name, to be kept along.
    """
    precision = torch.get_float32_matmul_precision()
    try:
        return Ceilings(
            source="measured",
            device=device,
            copy_gb_s=_copy_gb_s(),
            fp32_tflops=_product_tflops(torch.float32, "highest"),
            tf32_tflops=_product_tflops(torch.float32, "high"),
            fp16_tflops=_product_tflops(torch.float16, "highest"),
            bf16_tflops=_product_tflops(torch.bfloat16, "highest"),
        )
    except torch.cuda.OutOfMemoryError:
        return None
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.cuda.empty_cache()  # what comes next finds the memory as it was


def _copy_gb_s() -> float:
    """Bytes read and written over the time of the fastest device-to-device copy."""
    free, _ = torch.cuda.mem_get_info()
    size = min(_COPY_BYTES, int(free) // _PART_OF_FREE)
    source = torch.zeros(size, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * size / (_fastest_ms(lambda: target.copy_(source)) * 1e6)


def _product_tflops(dtype: torch.dtype, precision: str) -> float:
    """Operations over the time of the fastest product; random content, since zeros draw less power than data do."""
    torch.set_float32_matmul_precision(precision)
    left, right = (torch.randn(_SIDE, _SIDE, device="cuda").to(dtype) for _ in range(2))
    out = torch.empty(_SIDE, _SIDE, dtype=dtype, device="cuda")
    return 2 * _SIDE**3 / (_fastest_ms(lambda: torch.mm(left, right, out=out)) * 1e9)


def _fastest_ms(work: Callable[[], object]) -> float:
    for _ in range(_WARM):
        work()
    torch.cuda.synchronize()
    samples: list[float] = []
    began = time.monotonic()
    while len(samples) < _SAMPLES and (not samples or time.monotonic() - began < _MOST_S):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        samples.append(begin.elapsed_time(end))
    return min(samples)
