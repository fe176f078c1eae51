from pathlib import Path

import pytest

from evaluator.catalog import load_gpus
from evaluator.gpus import Gpu

GPUS = {gpu.name: gpu for gpu in load_gpus(Path(__file__).parents[2] / "conf")}


def test_every_gpu_wanted_is_there() -> None:
    assert set(GPUS) == {
        "a100_40",
        "a100_80",
        "a10g",
        "b200",
        "h100",
        "h200",
        "l4",
        "l40s",
        "rtx4090",
        "rtx4090d",
        "rtx5090",
    }


def test_the_rtx_4090_is_as_published() -> None:
    gpu = GPUS["rtx4090"]
    assert gpu.model_dump(exclude={"device_names"}) == {
        "name": "rtx4090",
        "title": "NVIDIA GeForce RTX 4090",
        "architecture": "Ada Lovelace",
        "compute_capability": "8.9",
        "sms": 128,
        "memory_gb": 24,
        "bandwidth_gb_s": 1008,
        "fp64_tflops": 1.29,
        "fp32_tflops": 82.6,
        "tf32_tflops": 82.6,
        "bf16_tflops": 165.2,
        "fp16_tflops": 165.2,
        "fp16_accumulate_tflops": 330.3,
        "registers_per_thread": 255,
        "registers_per_sm": 65_536,
        "threads_per_block": 1024,
        "threads_per_sm": 1536,
        "warps_per_sm": 48,
        "blocks_per_sm": 24,
        "warp_size": 32,
        "shared_per_sm_bytes": 100 * 1024,
        "shared_per_block_bytes": 101_376,
        "l2_mb": 72,
    }
    assert gpu.capability == 89


@pytest.mark.parametrize(
    ("name", "sms", "bandwidth", "tf32", "fp16", "shared_kb", "l2"),
    [
        ("rtx4090d", 114, 1008, 73.5, 147.0, (100, 99), 72),
        ("h100", 132, 3350, 495, 990, (228, 227), 50),
        ("h200", 132, 4800, 495, 990, (228, 227), 60),
        ("a100_40", 108, 1555, 156, 312, (164, 163), 40),
        ("a100_80", 108, 2039, 156, 312, (164, 163), 40),
    ],
)
def test_other_figures(
    name: str, sms: int, bandwidth: float, tf32: float, fp16: float, shared_kb: tuple[int, int], l2: float
) -> None:
    gpu = GPUS[name]
    assert (gpu.sms, gpu.bandwidth_gb_s, gpu.tf32_tflops, gpu.fp16_tflops, gpu.l2_mb) == (
        sms,
        bandwidth,
        tf32,
        fp16,
        l2,
    )
    assert (gpu.shared_per_sm_bytes, gpu.shared_per_block_bytes) == (shared_kb[0] * 1024, shared_kb[1] * 1024)


@pytest.mark.parametrize("gpu", GPUS.values(), ids=GPUS)
def test_figures_agree_with_one_another(gpu: Gpu) -> None:
    assert gpu.warps_per_sm * gpu.warp_size == gpu.threads_per_sm
    assert gpu.shared_per_sm_bytes - gpu.shared_per_block_bytes == 1024  # CUDA keeps 1 KB of each block for itself
    assert gpu.bf16_tflops == gpu.fp16_tflops  # both accumulate in FP32
    assert gpu.fp64_tflops < gpu.fp32_tflops <= gpu.tf32_tflops < gpu.fp16_tflops
    assert gpu.fp16_tflops / gpu.tf32_tflops == pytest.approx(2, rel=0.03)  # dense on both sides, or sparse on neither
    # FP32 peak = cores * 2 * clock: a sparse rate or a wrong count of SMs would ask for an impossible clock.
    cores = gpu.sms * (64 if gpu.compute_capability == "8.0" else 128)
    assert 1.3 < gpu.fp32_tflops * 1e3 / (cores * 2) < 2.7


def test_cards_of_one_capability_share_their_limits() -> None:
    limits = ("registers_per_sm", "threads_per_sm", "blocks_per_sm", "shared_per_sm_bytes", "shared_per_block_bytes")
    by_capability: dict[str, set[tuple[int, ...]]] = {}
    for gpu in GPUS.values():
        by_capability.setdefault(gpu.compute_capability, set()).add(tuple(getattr(gpu, limit) for limit in limits))
    assert all(len(kinds) == 1 for kinds in by_capability.values())
    assert set(by_capability) == {"8.0", "8.6", "8.9", "9.0", "10.0", "12.0"}


def test_device_names_are_lower_case_and_no_two_gpus_share_one() -> None:
    names = [name for gpu in GPUS.values() for name in gpu.device_names]
    assert names == [name.lower() for name in names]
    assert len(names) == len(set(names))
