import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def rmsnorm_kernel(x_ptr, weight_ptr, out_ptr, width, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)

    squares = tl.zeros([BLOCK], dtype=tl.float32)
    for start in range(0, width, BLOCK):
        inside = start + columns < width
        x = tl.load(x_ptr + row * width + start + columns, mask=inside, other=0.0)
        squares += x * x
    rstd = tl.rsqrt(tl.sum(squares, axis=0) / width + eps)

    # The row is read a second time to be scaled.
    for start in range(0, width, BLOCK):
        inside = start + columns < width
        x = tl.load(x_ptr + row * width + start + columns, mask=inside, other=0.0)
        weight = tl.load(weight_ptr + start + columns, mask=inside, other=0.0)
        tl.store(out_ptr + row * width + start + columns, x * rstd * weight, mask=inside)


def rmsnorm(x, weight, eps):
    x = x.contiguous()
    out = torch.empty_like(x)
    rows, width = x.shape
    rmsnorm_kernel[(rows,)](x, weight, out, width, eps, BLOCK=2048, num_warps=1, num_stages=2)
    return out


class ModelNew(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return rmsnorm(x, self.weight, self.eps)
