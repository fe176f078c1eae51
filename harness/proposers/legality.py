"""Which values of a kernel's parameters can run on a target, as far as that is known before compiling.

What is ruled out here would certainly be refused by Triton, or would certainly not fit; what can't be known is left to
the compiler.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from evaluator.gpus import Gpu
from evaluator.verdict import KernelFacts
from harness.proposers.form import Form
from prompts.stages import LAUNCH_OPTIONS

DOT_MINIMUM = 16  # of M, N and K for tl.dot
DOT_MINIMUM_K_8_BIT = 32
TENSOR_MEMORY_SINCE = 100  # compute capability from which accumulators have a memory of their own


@dataclass(frozen=True)
class Limits:
    """What bounds the parameters of one kernel: the target, the kernel's form, and what it uses at present."""

    gpu: Gpu
    form: Form
    facts: KernelFacts | None = None

    def allow(self, values: Mapping[str, int], now: Mapping[str, int]) -> bool:
        """True unless these values certainly can't run. Both by the code's names, as far as they are known."""
        return self._multiplies(values) and self._registers_hold(values) and self._shared_holds(values, now)

    def _multiplies(self, values: Mapping[str, int]) -> bool:
        if not self.form.multiplies:
            return True
        least = dict.fromkeys("MNK", DOT_MINIMUM)
        if self.facts is not None and "f8" in self.facts.precision:
            least["K"] = DOT_MINIMUM_K_8_BIT
        return all(size >= least[role] for role, size in tile(values).items())

    def _registers_hold(self, values: Mapping[str, int]) -> bool:
        """At least one value of four bytes for each element that a program computes, shared out over its threads."""
        warps = values.get("num_warps") or (self.facts.num_warps if self.facts else None)
        if not warps or (self.form.multiplies and self.gpu.capability >= TENSOR_MEMORY_SINCE):
            return True
        elements = _elements(values, self.form)
        return elements <= self.gpu.registers_per_thread * warps * self.gpu.warp_size

    def _shared_holds(self, values: Mapping[str, int], now: Mapping[str, int]) -> bool:
        """Shared memory of a matrix product, scaled up from the present: operand tiles times buffers in flight."""
        used = self.facts.shared_bytes if self.facts else None
        before, after = _operands(now), _operands(values)
        if not self.form.multiplies or not used or not before or not after:
            return True
        return used * after <= self.gpu.shared_per_block_bytes * before


def is_power_of_two(value: int) -> bool:
    """True for 1, 2, 4, 8, ..."""
    return value > 0 and value & (value - 1) == 0


def canonical(name: str) -> str:
    """A block size by one spelling: BLOCK_SIZE_M and BLOCK_M are the same."""
    return name if name in LAUNCH_OPTIONS else name.upper().replace("BLOCK_SIZE", "BLOCK").replace("_", "")


def tile(values: Mapping[str, int]) -> dict[str, int]:
    """The sizes of a matrix product's tile by M, N and K, as far as the names tell."""
    named = {canonical(name): size for name, size in values.items()}
    return {role: named[f"BLOCK{role}"] for role in "MNK" if f"BLOCK{role}" in named}


def _elements(values: Mapping[str, int], form: Form) -> int:
    sizes = tile(values)
    if form.multiplies:
        return sizes.get("M", 1) * sizes.get("N", 1)
    product = 1
    for name, size in values.items():
        product *= size if "BLOCK" in name.upper() else 1
    return product


def _operands(values: Mapping[str, int]) -> int:
    """Elements of both operands that are held at once; the last stage works on registers. 0 if a size is not known."""
    sizes = tile(values)
    if len(sizes) < 3:
        return 0
    return (sizes["M"] + sizes["N"]) * sizes["K"] * max(1, values.get("num_stages", 2) - 1)
