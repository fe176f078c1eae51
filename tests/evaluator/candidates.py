"""Sources that tests of the evaluator share: they only ever run in the sandbox."""

REFERENCE = """
import torch
import torch.nn as nn

ROWS = 2000
WIDTH = 1000

class Model(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.gain = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return torch.relu(x * self.gain) * self.factor

def get_inputs():
    return [torch.randn(ROWS, WIDTH)]

def get_init_inputs():
    return [3.0]
"""

KERNEL = """
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scaled_relu_kernel(x_ptr, gain_ptr, out_ptr, width, factor, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    x = tl.load(x_ptr + row * width + columns, mask=mask)
    gain = tl.load(gain_ptr + columns, mask=mask)
    tl.store(out_ptr + row * width + columns, tl.maximum(x * gain, 0.0) * factor, mask=mask)

"""

MODEL = """
class ModelNew(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.gain = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        out = torch.empty_like(x)
        rows, width = x.shape
        scaled_relu_kernel[(rows,)](x, self.gain, out, width, self.factor, BLOCK=triton.next_power_of_2(width))
        return out
"""


FORWARD = "        return out\n"


def candidate(model: str = MODEL, kernel: str = KERNEL) -> str:
    """A whole candidate from its parts."""
    return kernel + model.replace("WIDTH", "1000")
