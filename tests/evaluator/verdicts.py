"""A verdict as a 4090 would give it for the default task, constructed from published figures, not measured here.

The fused kernel moves 2.147 GB, a floor of 2.13 ms at 1008 GB/s, and runs at 92 % of it; a forward takes 15.5 ms, and
the convolution of 137 GFLOP 13.2 ms of them.
"""

from pathlib import Path

from evaluator.catalog import load_gpus
from evaluator.gpus import Gpu
from evaluator.verdict import Evidence, KernelFacts, Status, Timing, Verdict
from evaluator.work import GpuWork, TaskCost

CONF = Path(__file__).parents[2] / "conf"
ROWS, WIDTH = 4_194_304, 64
TENSOR_BYTES = ROWS * WIDTH * 4
CONVOLUTION_FLOPS = 137_438_953_472
FORWARD_MS, CONVOLUTION_MS = 15.5, 13.2
KERNEL = "norm_gelu_scale_kernel"


def rtx4090() -> Gpu:
    return next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")


def timing(median_ms: float) -> Timing:
    return Timing(median_ms=median_ms, low_ms=median_ms, high_ms=median_ms, samples_ms=(median_ms,))


def kernel_ms(fraction: float) -> float:
    return 2 * TENSOR_BYTES / (fraction * 1008e6)


def tail_kernel(fraction: float = 0.92) -> KernelFacts:
    return KernelFacts(
        name=KERNEL,
        registers=32,
        spill_bytes=0,
        launches=1,
        read_bytes=TENSOR_BYTES,
        written_bytes=TENSOR_BYTES,
        dots=False,
        time_share=kernel_ms(fraction) / FORWARD_MS,
    )


def default_task(kernel: KernelFacts | None = None) -> Verdict:
    convolution = GpuWork(
        name="void implicit_convolveNd_sgemm<float, 3>",
        kind="vendor",
        operator="cudnn_convolution_transpose",
        ms=CONVOLUTION_MS,
        share=CONVOLUTION_MS / FORWARD_MS,
    )
    own = GpuWork(name=KERNEL, kind="own", ms=kernel_ms(0.92), share=kernel_ms(0.92) / FORWARD_MS)
    cost = TaskCost(
        read_bytes=64 * 2**20,
        written_bytes=TENSOR_BYTES,
        contractions={"convolution": CONVOLUTION_FLOPS},
        elementwise={"native_layer_norm": 8 * ROWS * WIDTH},
    )
    evidence = Evidence(
        checked_on="device",
        torch_operators={"convolution": ROWS * WIDTH},
        torch_flops={"convolution": CONVOLUTION_FLOPS},
        gpu_work=(convolution, own),
        cost=cost,
    )
    return Verdict(
        status=Status.VERIFIED,
        task="convtranspose_layernorm_gelu",
        device="NVIDIA GeForce RTX 4090",
        time=timing(FORWARD_MS),
        baseline={"eager": timing(23.3), "compile": None},
        kernels=(kernel or tail_kernel(),),
        evidence=evidence,
    )
