"""A small task, a GPU and one evaluated candidate for it, with and without a profile."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evaluator.gpus import Gpu
from evaluator.tasks import Category, Task, Tolerance
from evaluator.triton_api import TritonApi
from evaluator.verdict import KernelFacts, Profile, Status, Timing, Verdict
from prompts.catalog import load_stages
from prompts.stages import Stage

REFERENCE = """import torch
import torch.nn as nn

ROWS = 8192


class Model(nn.Module):
    def forward(self, x):
        return torch.relu(x) * 2.0


def get_inputs():
    return [torch.randn(ROWS, 512)]


def get_init_inputs():
    return []
"""

SOURCE = """import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def relu_scale_kernel(x_ptr, out_ptr, total, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < total
    x = tl.load(x_ptr + offsets, mask=mask)
    tl.store(out_ptr + offsets, tl.maximum(x, 0.0) * 2.0, mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        relu_scale_kernel[(triton.cdiv(x.numel(), 1024),)](x, out, x.numel(), BLOCK=1024)
        return out
"""


@pytest.fixture
def gpu() -> Gpu:
    return Gpu(
        name="rtx4090",
        title="NVIDIA GeForce RTX 4090",
        architecture="Ada Lovelace",
        compute_capability="8.9",
        device_names=("rtx 4090",),
        sms=128,
        memory_gb=24,
        bandwidth_gb_s=1008,
        fp64_tflops=1.29,
        fp32_tflops=82.6,
        tf32_tflops=82.6,
        bf16_tflops=165.2,
        fp16_tflops=165.2,
        fp16_accumulate_tflops=330.3,
        threads_per_sm=1536,
        warps_per_sm=48,
        blocks_per_sm=24,
        shared_per_sm_bytes=102_400,
        shared_per_block_bytes=101_376,
        l2_mb=72,
    )


@pytest.fixture
def api() -> TritonApi:
    """As Triton 3.7.1 has it, reduced to the names that matter here."""
    return TritonApi(
        version="3.7.1",
        language=frozenset({"exp", "erf", "sigmoid", "softmax", "rsqrt", "maximum", "dot", "clamp", "fma"}),
        libdevice=frozenset({"tanh", "pow", "log1p", "expm1", "erf", "rint", "isnan"}),
    )


@pytest.fixture
def stages() -> dict[str, Stage]:
    return load_stages()


@pytest.fixture
def make_task() -> Callable[[Category], Task]:
    def make(category: Category) -> Task:
        tolerance = Tolerance(rtol=1e-4, atol=2e-4, reference_factor=2.0)
        return Task(
            name="relu_scale",
            reference=REFERENCE,
            path=Path("relu.py"),
            category=category,
            tolerance=tolerance,
            start=SOURCE,
        )

    return make


@pytest.fixture
def kernel() -> KernelFacts:
    return KernelFacts(
        name="relu_scale_kernel",
        registers=48,
        spill_bytes=0,
        shared_bytes=0,
        occupancy=0.75,
        limited_by="warps",
        num_warps=4,
        num_stages=3,
        grid=(4096, 1, 1),
        launches=1,
        constants={"BLOCK": 1024},
        loads=1,
        fits=True,
    )


@pytest.fixture
def compiled(kernel: KernelFacts) -> Verdict:
    """Verified without a GPU."""
    return Verdict(status=Status.VERIFIED, task="relu_scale", device="rtx4090", kernels=(kernel,))


@pytest.fixture
def timed(kernel: KernelFacts) -> Verdict:
    """Verified and timed on a GPU."""

    def timing(median: float) -> Timing:
        return Timing(median_ms=median, low_ms=median - 0.001, high_ms=median + 0.001, samples_ms=(median,))

    return Verdict(
        status=Status.VERIFIED,
        task="relu_scale",
        device="NVIDIA GeForce RTX 4090",
        time=timing(0.04),
        baseline={"eager": timing(0.08), "compile": timing(0.05)},
        kernels=(kernel,),
    )


@pytest.fixture
def profile() -> Profile:
    return Profile(
        source="ncu",
        kernels={
            "relu_scale_kernel": {
                "sm__throughput.avg.pct_of_peak_sustained_elapsed": 20.5,
                "dram__throughput.avg.pct_of_peak_sustained_elapsed": 91.99,
                "sm__warps_active.avg.pct_of_peak_sustained_active": 66.58,
                "lts__t_sector_hit_rate.pct": 50.03,
                "launch__grid_size": 4096.0,
                "smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio": 12.0,
                "smsp__average_warp_latency_per_inst_issued.ratio": 16.0,
            }
        },
    )
