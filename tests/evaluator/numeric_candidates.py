"""Sources for tests of numerics: they only ever run in the sandbox."""

HEAD = """
import torch
import torch.nn as nn
import triton
import triton.language as tl

"""

LAYERNORM = """
import torch
import torch.nn as nn

ROWS = 1000
WIDTH = 300

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return nn.functional.layer_norm(x, (WIDTH,), self.gain, None, 1e-5)

def get_inputs():
    return [torch.randn(ROWS, WIDTH)]

def get_init_inputs():
    return []
"""

CENTRED = "tl.sum(centred * centred, axis=0) / width"
CENTRED_KERNEL = """
@triton.jit
def normalise(x_ptr, gain_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    x = tl.load(x_ptr + row * width + columns, mask=mask, other=0.0)
    gain = tl.load(gain_ptr + columns, mask=mask, other=0.0)
    mean = tl.sum(x, axis=0) / width
    centred = tl.where(mask, x - mean, 0.0)
    variance = tl.sum(centred * centred, axis=0) / width
    tl.store(out_ptr + row * width + columns, centred * tl.rsqrt(variance + 1e-5) * gain, mask=mask)

"""

SHARE = """
import torch
import torch.nn as nn

ROWS = 1000
WIDTH = 300

class Model(nn.Module):
    def forward(self, x):
        hit = (x == x.amax(dim=-1, keepdim=True)).to(x.dtype)
        return x + hit / hit.sum(dim=-1, keepdim=True)

def get_inputs():
    return [torch.randn(ROWS, WIDTH)]

def get_init_inputs():
    return []
"""

SHARE_KERNEL = """
@triton.jit
def share(x_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    x = tl.load(x_ptr + row * width + columns, mask=mask, other=-float('inf'))
    hit = tl.where(x == tl.max(x, axis=0), 1.0, 0.0)
    tl.store(out_ptr + row * width + columns, x + hit / tl.sum(hit, axis=0), mask=mask)

"""

_MODEL = """
class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
PARAMETERS
    def forward(self, x):
        out = torch.empty_like(x)
        rows, width = x.shape
        LAUNCH
        return out
"""


def normalising(kernel: str = CENTRED_KERNEL) -> str:
    """A layer norm with this kernel."""
    model = _MODEL.replace("PARAMETERS", "        self.gain = nn.Parameter(torch.ones(300))\n")
    launch = "normalise[(rows,)](x, self.gain, out, width, BLOCK=triton.next_power_of_2(width))"
    return HEAD + kernel + model.replace("LAUNCH", launch)


def sharing(kernel: str = SHARE_KERNEL) -> str:
    """Adds one to each row's largest element, shared among equals."""
    launch = "share[(rows,)](x, out, width, BLOCK=triton.next_power_of_2(width))"
    return HEAD + kernel + _MODEL.replace("PARAMETERS", "").replace("LAUNCH", launch)
