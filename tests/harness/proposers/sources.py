"""Candidates of different shapes. They are parsed in these tests, never run."""

HEAD = """import torch
import torch.nn as nn
import triton
import triton.language as tl

"""

PLAIN = (
    HEAD
    + '''
@triton.jit
def scale_kernel(x, y, n, BLOCK: tl.constexpr):
    """Doubles – with a dash that takes three bytes."""
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # µ-kernel
    tl.store(y + offsets, tl.load(x + offsets, mask=offsets < n) * 2, mask=offsets < n)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        grid = lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)
        # One launch; α is not scaled.
        scale_kernel[grid](x, y, x.numel(), BLOCK=1024, num_warps=8, num_stages=2)  # the launch
        return y
'''
)

ABSENT = PLAIN.replace(", num_warps=8, num_stages=2", "")

BROKEN_LINES = PLAIN.replace(
    "scale_kernel[grid](x, y, x.numel(), BLOCK=1024, num_warps=8, num_stages=2)",
    """scale_kernel[grid](
            x,
            y,
            (x.numel()),  # (elements)
            BLOCK=(1024),  # a comment ) with a parenthesis
        )""",
)

TUNED = (
    HEAD
    + """
@triton.autotune(
    configs=[
        # narrow ones
        triton.Config({}, num_warps=1, num_stages=2),  # one warp
        triton.Config({}, num_warps=2, num_stages=2),
        # wide ones
        triton.Config({}, num_warps=8, num_stages=2),  # eight warps
        triton.Config({}, num_warps=16, num_stages=2),
    ],
    key=["n"],  # retune for another length
)
@triton.jit
def tuned_kernel(x, y, n, BLOCK: tl.constexpr):
    for start in range(0, n, BLOCK):
        offsets = start + tl.arange(0, BLOCK)
        tl.store(y + offsets, tl.load(x + offsets))


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        tuned_kernel[(1,)](x, y, x.numel(), BLOCK=triton.next_power_of_2(x.numel()))
        return y
"""
)

TWO_KERNELS = (
    HEAD
    + """
@triton.jit
def first_kernel(x, y, n, BLOCK: tl.constexpr):
    tl.store(y, tl.load(x))


@triton.jit
def second_kernel(x, y, n, BLOCK: tl.constexpr):
    for i in range(n):
        tl.store(y + i, tl.load(x + i))


@triton.jit
def never_launched(x):
    pass


def first(x, y, warps=4):
    BLOCK, stages = 256, 3
    first_kernel[(triton.cdiv(x.numel(), BLOCK),)](x, y, x.numel(), BLOCK=BLOCK, num_warps=warps, num_stages=stages)


def second(x, y):
    def launch(options):
        second_kernel[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), 128, **options)

    launch({"num_warps": 4})


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        first(x, y)
        second(x, y)
        return y
"""
)

BY_DICT = PLAIN.replace(
    "scale_kernel[grid](x, y, x.numel(), BLOCK=1024, num_warps=8, num_stages=2)",
    "scale_kernel[grid](x, y, x.numel(), **OPTIONS)",
).replace("\n@triton.jit", '\nOPTIONS = {"BLOCK": 1024, "num_warps": 8}  # for all launches\n\n\n@triton.jit', 1)

MATMUL = (
    HEAD
    + """
@triton.jit
def matmul_kernel(a, b, c, M, N, K, BLOCK_SIZE_M: tl.constexpr, BLOCK_SIZE_N: tl.constexpr, BLOCK_SIZE_K: tl.constexpr):
    for k in range(0, K, BLOCK_SIZE_K):
        tl.store(c, tl.dot(tl.load(a), tl.load(b)))


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.block_k = 32

    def forward(self, a, b):
        BM, BN = 64, 64
        grid = (triton.cdiv(a.shape[0], BM), triton.cdiv(b.shape[1], BN))
        matmul_kernel[grid](a, b, a, 1, 2, 3, BM, BN, BLOCK_SIZE_K=self.block_k)
        return a
"""
)
