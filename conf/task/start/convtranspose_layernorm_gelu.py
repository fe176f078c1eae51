import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({}, num_warps=2, num_stages=2),
        triton.Config({}, num_warps=4, num_stages=2),
        triton.Config({}, num_warps=8, num_stages=2),
    ],
    key=["width"],
)
@triton.jit
def norm_gelu_scale_kernel(x_ptr, weight_ptr, bias_ptr, out_ptr, width, eps, scale, BLOCK: tl.constexpr):
    # One program normalises one row; rows are contiguous, so a row begins at its number times the width.
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    x = tl.load(x_ptr + row * width + columns, mask=inside, other=0.0).to(tl.float32)
    weight = tl.load(weight_ptr + columns, mask=inside, other=0.0).to(tl.float32)
    bias = tl.load(bias_ptr + columns, mask=inside, other=0.0).to(tl.float32)

    mean = tl.sum(x, axis=0) / width
    centred = tl.where(inside, x - mean, 0.0)
    variance = tl.sum(centred * centred, axis=0) / width
    y = centred * tl.rsqrt(variance + eps) * weight + bias

    # GELU by its tanh form. With u = sqrt(2 / pi) * (y + 0.044715 y^3), (1 + tanh u) / 2 = 1 / (1 + exp(-2u)).
    doubled = 1.5957691216057308 * y * (1.0 + 0.044715 * y * y)
    gelu = y / (1.0 + tl.exp(-doubled))
    tl.store(out_ptr + row * width + columns, (gelu * scale).to(out_ptr.dtype.element_ty), mask=inside)


def norm_gelu_scale(x, weight, bias, eps, scale):
    x = x.contiguous()
    out = torch.empty_like(x)
    width = x.shape[-1]
    rows = x.numel() // width
    norm_gelu_scale_kernel[(rows,)](x, weight, bias, out, width, eps, scale, BLOCK=triton.next_power_of_2(width))
    return out


class ModelNew(nn.Module):
    def __init__(self, in_channels, out_channels, kernel, stride, padding, normalized, eps, scale):
        super().__init__()
        self.conv = nn.ConvTranspose3d(in_channels, out_channels, kernel, stride=stride, padding=padding)
        self.norm = nn.LayerNorm(normalized, eps=eps)  # holds the parameters; the kernel does its work
        self.eps = eps
        self.scale = scale

    def forward(self, x):
        return norm_gelu_scale(self.conv(x), self.norm.weight, self.norm.bias, self.eps, self.scale)
