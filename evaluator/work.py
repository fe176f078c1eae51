"""What a roofline is made of: the work there is, how fast the device can do it, and where a forward's time goes."""

import re
from typing import Literal

from pydantic import Field

from evaluator.frozen import Frozen
from evaluator.gpus import Gpu

Kind = Literal["own", "vendor", "other"]
Family = Literal["convolution", "matmul", "attention", ""]

_MATMUL = re.compile(r"(scaled_|int_|sparse_)?(add|badd|baddb|b|addb)?mm|(add)?mv|v?dot")
_MATMUL_TOO = frozenset({"linear", "matmul", "einsum", "addr", "addmm_activation"})
# cuDNN, cuBLAS and CUTLASS name their kernels after themselves, or after the algorithm and the architecture.
_VENDOR = re.compile(
    r"cudnn|cublas|cutlass|nvjet|xmma|cufft|cusparse|(^|[^a-z])[a-z]?(gemm|gemv)|(implicit|winograd|dgrad|wgrad|fprop)|"
    r"convolve|flash_(fwd|bwd)|fmha|splitKreduce",
    re.IGNORECASE,
)


def plain_name(operator: str) -> str:
    """`relu_` and `_softmax` as `relu` and `softmax`, `cudnn_convolution` as `convolution`."""
    return re.sub(r"^(native|cudnn|miopen|mkldnn|thnn)_", "", operator.strip("_"))


def family(operator: str) -> Family:
    """What kind of contraction an ATen operator does, by its name; empty for everything else."""
    name = plain_name(operator)
    if "conv" in name:
        return "convolution"
    if _MATMUL.fullmatch(name) or name in _MATMUL_TOO:
        return "matmul"
    return "attention" if "attention" in name else ""


class TaskCost(Frozen):
    """What a task can't do without, at its true sizes.

    Bytes: each input, parameter and buffer that an operator reads, and each output, once; of a tensor that is looked
    up in (an embedding), no more than comes out. That is a lower bound for any implementation. FLOPs: contractions by
    the formulas of torch.utils.flop_counter (a multiplication and an addition are two), everything else by the
    operations an element takes in evaluator.oracle.costs, which is an estimate.
    """

    read_bytes: int = Field(ge=0)
    written_bytes: int = Field(ge=0)
    contractions: dict[str, int] = {}  # torch operator -> FLOPs
    elementwise: dict[str, int] = {}  # torch operator -> FLOPs, estimated
    dtype: str = "float32"  # of the widest floating-point input, parameter or output: float32, float16, bfloat16

    @property
    def bytes(self) -> int:
        """What must cross the memory's pins at least."""
        return self.read_bytes + self.written_bytes


class Ceilings(Frozen):
    """How fast the device moves and computes: GB/s (10^9, read and written bytes together) and dense TFLOP/s.

    Measured ones are what a large copy and large matrix products reach, which kernels can come near to; the
    datasheet's are peaks that nothing reaches, so that a fraction of them is on the low side.
    """

    source: Literal["measured", "datasheet"]
    copy_gb_s: float = Field(gt=0)
    fp32_tflops: float = Field(gt=0)
    tf32_tflops: float = Field(gt=0)
    fp16_tflops: float = Field(gt=0)
    bf16_tflops: float = Field(gt=0)
    device: str = ""  # that they were measured on

    @classmethod
    def of_datasheet(cls, gpu: Gpu) -> "Ceilings":
        """The peaks of conf/gpu."""
        return cls(
            source="datasheet",
            copy_gb_s=gpu.bandwidth_gb_s,
            fp32_tflops=gpu.fp32_tflops,
            tf32_tflops=gpu.tf32_tflops,
            fp16_tflops=gpu.fp16_tflops,
            bf16_tflops=gpu.bf16_tflops,
        )


class GpuWork(Frozen):
    """One name that took GPU time during one forward.

    `own` is a kernel that the candidate defines; `vendor` one of cuDNN, cuBLAS or CUTLASS; `other` what else torch
    launches, copies and fills included.
    """

    name: str
    kind: Kind
    operator: str = ""  # the torch operator that launched it; empty if none did
    ms: float = Field(ge=0)
    share: float = Field(ge=0, le=1)  # of the GPU time of the forward


def kind_of(name: str, operator: str, own: tuple[str, ...]) -> Kind:
    """Whose kernel it is, by its name and by the torch operator that launched it (empty: none)."""
    if not operator and name in own:
        return "own"
    return "vendor" if family(operator) or _VENDOR.search(name) else "other"
