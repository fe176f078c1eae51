import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def norm_gelu_scale_kernel(x_ptr, weight_ptr, bias_ptr, out_ptr, width, eps, scale, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)

    # First pass over the row: its mean. Second: its variance.
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for start in range(0, width, BLOCK):
        inside = start + columns < width
        total += tl.load(x_ptr + row * width + start + columns, mask=inside, other=0.0)
    mean = tl.sum(total, axis=0) / width
    squares = tl.zeros([BLOCK], dtype=tl.float32)
    for start in range(0, width, BLOCK):
        inside = start + columns < width
        x = tl.load(x_ptr + row * width + start + columns, mask=inside, other=0.0)
        centred = tl.where(inside, x - mean, 0.0)
        squares += centred * centred
    rstd = tl.rsqrt(tl.sum(squares, axis=0) / width + eps)

    # Third pass: normalise, GELU, scale.
    for start in range(0, width, BLOCK):
        inside = start + columns < width
        x = tl.load(x_ptr + row * width + start + columns, mask=inside, other=0.0)
        weight = tl.load(weight_ptr + start + columns, mask=inside, other=0.0)
        bias = tl.load(bias_ptr + start + columns, mask=inside, other=0.0)
        y = (x - mean) * rstd * weight + bias
        gelu = 0.5 * y * (1.0 + tl.erf(y * 0.7071067811865476))
        tl.store(out_ptr + row * width + start + columns, gelu * scale, mask=inside)


def norm_gelu_scale(x, weight, bias, eps, scale):
    x = x.contiguous()
    out = torch.empty_like(x)
    width = x.shape[-1]
    rows = x.numel() // width
    norm_gelu_scale_kernel[(rows,)](x, weight, bias, out, width, eps, scale, BLOCK=32, num_warps=8, num_stages=2)
    return out


class ModelNew(nn.Module):
    def __init__(self, width, eps, scale):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=eps)  # holds the parameters; the kernel does its work
        self.eps = eps
        self.scale = scale

    def forward(self, x):
        return norm_gelu_scale(x, self.norm.weight, self.norm.bias, self.eps, self.scale)
