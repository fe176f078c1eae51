"""Target GPUs: the facts that prompts, occupancy and resource checks are built from (conf/gpu/*.yaml)."""

from pydantic import BaseModel, ConfigDict


class Gpu(BaseModel):
    """One GPU model. Throughputs are dense peaks; units are in the field names.

    `device_names` are substrings (lower case) of the name that CUDA reports for this GPU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str  # configuration name: rtx4090
    title: str  # as people write it: NVIDIA GeForce RTX 4090
    architecture: str  # Ada Lovelace
    compute_capability: str  # 8.9
    device_names: tuple[str, ...]
    sms: int
    memory_gb: float
    bandwidth_gb_s: float
    fp64_tflops: float
    fp32_tflops: float
    tf32_tflops: float
    bf16_tflops: float
    fp16_tflops: float
    fp16_accumulate_tflops: float | None = None  # FP16 with FP16 accumulation, where that is faster
    registers_per_thread: int = 255
    registers_per_sm: int = 65_536
    threads_per_block: int = 1024
    threads_per_sm: int
    warps_per_sm: int
    blocks_per_sm: int
    warp_size: int = 32
    shared_per_sm_bytes: int
    shared_per_block_bytes: int
    l2_mb: float

    @property
    def capability(self) -> int:
        """Compute capability as Triton writes it: 89 for 8.9."""
        major, minor = self.compute_capability.split(".")
        return int(major) * 10 + int(minor)

    @property
    def unmeasured(self) -> str:
        """What stands in place of a device's name where code was compiled for this GPU and nothing ran on it."""
        return f"{self.name} (compile target)"
