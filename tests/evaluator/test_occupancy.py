"""Occupancy against values of NVIDIA's occupancy calculator, and by hand."""

import pytest

from evaluator.gpus import Gpu
from evaluator.occupancy import fits, occupancy

COMMON = {
    "name": "x",
    "title": "x",
    "architecture": "x",
    "device_names": (),
    "sms": 1,
    "memory_gb": 1,
    "bandwidth_gb_s": 1,
    "fp64_tflops": 1,
    "fp32_tflops": 1,
    "tf32_tflops": 1,
    "bf16_tflops": 1,
    "fp16_tflops": 1,
    "l2_mb": 1,
}
ADA = Gpu.model_validate(
    COMMON
    | {
        "compute_capability": "8.9",
        "threads_per_sm": 1536,
        "warps_per_sm": 48,
        "blocks_per_sm": 24,
        "shared_per_sm_bytes": 102_400,
        "shared_per_block_bytes": 101_376,
    }
)
HOPPER = Gpu.model_validate(
    COMMON
    | {
        "compute_capability": "9.0",
        "threads_per_sm": 2048,
        "warps_per_sm": 64,
        "blocks_per_sm": 32,
        "shared_per_sm_bytes": 233_472,
        "shared_per_block_bytes": 232_448,
    }
)
AMPERE = Gpu.model_validate(
    COMMON
    | {
        "compute_capability": "8.0",
        "threads_per_sm": 2048,
        "warps_per_sm": 64,
        "blocks_per_sm": 32,
        "shared_per_sm_bytes": 167_936,
        "shared_per_block_bytes": 166_912,
    }
)


@pytest.mark.parametrize(
    ("gpu", "registers", "shared", "warps", "blocks", "limited_by"),
    [
        # 40 registers: 1280 a warp, 12 warps a partition, 48 an SM.
        (ADA, 40, 0, 8, 6, "warps"),
        # 41 registers round up to 48: 1536 a warp, 10 warps a partition, 40 an SM.
        (ADA, 41, 0, 8, 5, "registers"),
        (ADA, 128, 0, 4, 4, "registers"),
        (ADA, 255, 0, 8, 1, "registers"),
        (ADA, 255, 0, 16, 0, "registers"),
        (ADA, 32, 0, 1, 24, "blocks"),
        # 2 warps of 168 registers: 5376 a warp, 3 a partition, 12 an SM: six blocks.
        (ADA, 168, 0, 2, 6, "registers"),
        # 49,152 bytes and the system's 1024 fit twice into 102,400; one byte more takes 128.
        (ADA, 32, 50_176, 4, 2, "shared memory"),
        (ADA, 32, 50_177, 4, 1, "shared memory"),
        (ADA, 32, 101_376, 4, 1, "shared memory"),
        (ADA, 32, 101_377, 4, 0, "shared memory"),
        (HOPPER, 32, 0, 8, 8, "warps"),
        (HOPPER, 64, 0, 8, 4, "registers"),
        (HOPPER, 168, 0, 12, 1, "registers"),
        (HOPPER, 32, 65_536, 4, 3, "shared memory"),
        (HOPPER, 32, 232_448, 4, 1, "shared memory"),
        (AMPERE, 32, 0, 2, 32, "warps"),
        (AMPERE, 96, 0, 8, 2, "registers"),
        (AMPERE, 32, 49_152, 4, 3, "shared memory"),
    ],
)
def test_blocks(gpu: Gpu, registers: int, shared: int, warps: int, blocks: int, limited_by: str) -> None:
    found = occupancy(gpu, registers, shared, warps)
    assert (found.blocks_per_sm, found.limited_by) == (blocks, limited_by)
    assert found.fraction == pytest.approx(blocks * warps / gpu.warps_per_sm)
    assert fits(gpu, registers, shared, warps) is (blocks > 0)


def test_more_threads_than_a_block_may_have_do_not_fit() -> None:
    assert not fits(ADA, 16, 0, 64)


def test_impossible_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="no kernel has"):
        occupancy(ADA, 32, 0, 0)
