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
EPSILON = "rsqrt(variance + 1e-5)"
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


RUNNING = """
import torch
import torch.nn as nn

ROWS = 1000
WIDTH = 300

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(WIDTH).eval()

    def forward(self, x):
        return self.norm(x)

def get_inputs():
    return [torch.randn(ROWS, WIDTH)]

def get_init_inputs():
    return []
"""

RUNNING_VALUE = "(x - mean) * tl.rsqrt(variance + 1e-5) * gain + shift"
RUNNING_KERNEL = f"""
@triton.jit
def normalise(x_ptr, mean_ptr, variance_ptr, gain_ptr, shift_ptr, out_ptr, width, BLOCK: tl.constexpr):
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    at = tl.program_id(0) * width + columns
    x = tl.load(x_ptr + at, mask=mask)
    mean = tl.load(mean_ptr + columns, mask=mask)
    variance = tl.load(variance_ptr + columns, mask=mask, other=1.0)
    gain = tl.load(gain_ptr + columns, mask=mask)
    shift = tl.load(shift_ptr + columns, mask=mask)
    tl.store(out_ptr + at, {RUNNING_VALUE}, mask=mask)

"""


def running(value: str = RUNNING_VALUE) -> str:
    """A batch norm by running statistics, whose kernel stores this value."""
    model = _MODEL.replace("PARAMETERS", "        self.norm = nn.BatchNorm1d(300).eval()\n")
    launch = (
        "n = self.norm\n        normalise[(rows,)](x, n.running_mean, n.running_var, n.weight, n.bias, out, width, "
        "BLOCK=triton.next_power_of_2(width))"
    )
    return HEAD + RUNNING_KERNEL.replace(RUNNING_VALUE, value) + model.replace("LAUNCH", launch)


SUM = """
import torch
import torch.nn as nn

ROWS = 65536
WIDTH = 256

class Model(nn.Module):
    def forward(self, x):
        return x.sum(dim=0)

def get_inputs():
    return [torch.randn(ROWS, WIDTH)]

def get_init_inputs():
    return []
"""

ATOMIC_KERNEL = """
@triton.jit
def add_up(x_ptr, out_ptr, rows, width, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    lines = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    inside = (lines[:, None] < rows) & mask[None, :]
    part = tl.sum(tl.load(x_ptr + lines[:, None] * width + columns[None, :], mask=inside, other=0.0), axis=0)
    tl.atomic_add(out_ptr + columns, part, mask=mask)

"""

PRODUCT = """
import torch
import torch.nn as nn

SIZE = 512

class Model(nn.Module):
    def forward(self, a, b):
        return a @ b

def get_inputs():
    return [torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)]

def get_init_inputs():
    return []
"""

_PRODUCT_KERNEL = """
@triton.jit
def product(a_ptr, b_ptr, out_ptr, size, BLOCK: tl.constexpr):
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for start in range(0, size, BLOCK):
        inner = start + tl.arange(0, BLOCK)
        a = tl.load(a_ptr + rows[:, None] * size + inner[None, :])
        b = tl.load(b_ptr + inner[:, None] * size + columns[None, :])
        total = tl.dot(a, b, total, input_precision="PRECISION")
    tl.store(out_ptr + rows[:, None] * size + columns[None, :], total)


class ModelNew(nn.Module):
    def forward(self, a, b):
        out = torch.empty_like(a)
        size = a.shape[0]
        product[(size // 64, size // 64)](a, b, out, size, BLOCK=64)
        return out
"""


def summing(kernel: str = ATOMIC_KERNEL) -> str:
    """Adds up columns, in whatever order the programs come."""
    launch = "add_up[(triton.cdiv(rows, 16),)](x, out, rows, width, ROWS=16, BLOCK=triton.next_power_of_2(width))"
    model = _MODEL.replace("PARAMETERS", "").replace("LAUNCH", launch)
    return HEAD + kernel + model.replace("torch.empty_like(x)", "torch.zeros(x.shape[1], device=x.device)")


ADVANCE = "inner = start + tl.arange(0, BLOCK)"
MASKED_PRODUCT = """
@triton.jit
def product(a_ptr, b_ptr, out_ptr, size, BLOCK: tl.constexpr):
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)[None, :]
    total = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for start in range(0, size, BLOCK):
        inner = start + tl.arange(0, BLOCK)
        along, down = inner[None, :], inner[:, None]
        a = tl.load(a_ptr + rows * size + along, mask=(rows < size) & (along < size), other=0.0)
        b = tl.load(b_ptr + down * size + columns, mask=(down < size) & (columns < size), other=0.0)
        total = tl.dot(a, b, total, input_precision="ieee")
    tl.store(out_ptr + rows * size + columns, total, mask=(rows < size) & (columns < size))


class ModelNew(nn.Module):
    def forward(self, a, b):
        out = torch.empty_like(a)
        blocks = triton.cdiv(a.shape[0], 64)
        product[(blocks, blocks)](a, b, out, a.shape[0], BLOCK=64)
        return out
"""


def multiplying_any(kernel: str = MASKED_PRODUCT) -> str:
    """A product of any size."""
    return HEAD + kernel


def multiplying(precision: str) -> str:
    """A product on tensor cores, in what `tl.dot` calls this input precision."""
    return HEAD + _PRODUCT_KERNEL.replace("PRECISION", precision)


NARROW = """
import torch
import torch.nn as nn

ROWS = 1000
WIDTH = 300

class Model(nn.Module):
    def forward(self, x):
        return (x * 4.0).to(torch.float8_e4m3fn)

def get_inputs():
    return [torch.randn(ROWS, WIDTH)]

def get_init_inputs():
    return []
"""


def narrowing(factor: str = "4.0") -> str:
    """A candidate for NARROW, right with its own factor."""
    return f"""{HEAD}
@triton.jit
def narrow(x_ptr, out_ptr, total, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < total, other=0.0)
    tl.store(out_ptr + offsets, (x * {factor}).to(tl.float8e4nv), mask=offsets < total)

class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x, dtype=torch.float8_e4m3fn)
        narrow[(triton.cdiv(x.numel(), 1024),)](x, out, x.numel(), BLOCK=1024)
        return out
"""
