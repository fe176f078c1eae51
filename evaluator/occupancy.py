"""Theoretical occupancy: how many warps of a kernel a multiprocessor can hold, and what stops it from holding more.

The arithmetic is that of NVIDIA's occupancy calculator (`cuda_occupancy.h` of the CUDA toolkit, and "Technical
Specifications per Compute Capability" in the CUDA C++ Programming Guide) for compute capabilities 7.0 and up: registers
are handed out to warps in units of 256, a register file has four partitions to which warps are dealt evenly, shared
memory comes in units of 128 bytes (256 before 8.0), and from 8.0 on the system keeps 1 KB of it for each block.
"""

from dataclasses import dataclass

from evaluator.gpus import Gpu

REGISTER_UNIT = 256  # registers, allocated per warp
PARTITIONS = 4  # of a multiprocessor: each has a quarter of the registers and of the warps
SHARED_UNIT_BYTES = 128
SHARED_UNIT_BYTES_BEFORE_8 = 256
SHARED_RESERVED_BYTES = 1024  # per block, from compute capability 8.0 on


@dataclass(frozen=True)
class Occupancy:
    """`fraction` of the multiprocessor's warps that can be resident, 0 to 1.

    `limits` gives how many blocks each resource would allow on its own; `limited_by` is the scarcest of them
    (registers | shared memory | warps | blocks), ties going to the first in that order of names: warps, blocks,
    registers, shared memory. A kernel that does not fit at all has 0 blocks.
    """

    fraction: float
    blocks_per_sm: int
    limited_by: str
    limits: dict[str, int]


def occupancy(gpu: Gpu, registers: int, shared_bytes: int, num_warps: int) -> Occupancy:
    """Occupancy of blocks of `num_warps` warps with `registers` per thread and `shared_bytes` per block."""
    if registers < 0 or shared_bytes < 0 or num_warps < 1:
        raise ValueError(f"no kernel has {registers} registers, {shared_bytes} bytes and {num_warps} warps")
    limits = {
        "warps": gpu.warps_per_sm // num_warps,
        "blocks": gpu.blocks_per_sm,
        "registers": _blocks_by_registers(gpu, registers, num_warps),
        "shared memory": _blocks_by_shared(gpu, shared_bytes),
    }
    if num_warps * gpu.warp_size > gpu.threads_per_block:
        limits["warps"] = 0
    blocks = min(limits.values())
    limited_by = next(name for name, limit in limits.items() if limit == blocks)
    return Occupancy(blocks * num_warps / gpu.warps_per_sm, blocks, limited_by, limits)


def fits(gpu: Gpu, registers: int, shared_bytes: int, num_warps: int) -> bool:
    """True if at least one block can run: what is larger than this fails at launch, not at compilation."""
    return (
        registers <= gpu.registers_per_thread
        and shared_bytes <= gpu.shared_per_block_bytes
        and occupancy(gpu, registers, shared_bytes, num_warps).blocks_per_sm > 0
    )


def _blocks_by_registers(gpu: Gpu, registers: int, num_warps: int) -> int:
    if registers == 0:
        return gpu.blocks_per_sm
    per_warp = _round_up(registers * gpu.warp_size, REGISTER_UNIT)
    # A launch is checked as if a block's warps filled all partitions evenly, although they are not dealt so.
    checked = per_warp * _round_up(num_warps, PARTITIONS)
    if registers > gpu.registers_per_thread or checked > gpu.registers_per_sm:
        return 0
    warps = gpu.registers_per_sm // PARTITIONS // per_warp * PARTITIONS
    return warps // num_warps


def _blocks_by_shared(gpu: Gpu, shared_bytes: int) -> int:
    if shared_bytes > gpu.shared_per_block_bytes:
        return 0
    modern = gpu.capability >= 80
    unit = SHARED_UNIT_BYTES if modern else SHARED_UNIT_BYTES_BEFORE_8
    per_block = _round_up(shared_bytes + (SHARED_RESERVED_BYTES if modern else 0), unit)
    return gpu.shared_per_sm_bytes // per_block if per_block else gpu.blocks_per_sm


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
