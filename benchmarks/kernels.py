"""The kernels that timing is measured with: three that stream, by length, a short one with weights, one that computes.

What streams lies elsewhere at each call of a ring, so that the luck of where memory lies is averaged. Weights are the
same memory at every call. A tenth of a second of streaming would not fit a GPU's memory, so the longest computes.
"""

from dataclasses import dataclass
from pathlib import Path

from evaluator.catalog import load_tolerance
from evaluator.tasks import Task

CONF = Path(__file__).parents[1] / "conf"

_STREAM = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        return x * 2.0 + 1.0
def get_inputs():
    return [torch.randn({rows}, 1024)]
def get_init_inputs():
    return []
"""

_STREAMING = """
import torch
import triton
import triton.language as tl

@triton.jit
def scale(x_ptr, y_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets) * 2.0 + 1.0)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        scale[(round(x.shape[0] * {share}),)](x, y, BLOCK=1024)
        return y
"""

_WEIGHT = """
import torch
ROWS = {rows}
class Model(torch.nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(rows, 1024))
    def forward(self, x):
        return x * self.weight + 1.0
def get_inputs():
    return [torch.randn(ROWS, 1024)]
def get_init_inputs():
    return [ROWS]
"""

_WEIGHTED = """
import torch
import triton
import triton.language as tl

@triton.jit
def weigh(x_ptr, weight_ptr, y_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets) * tl.load(weight_ptr + offsets) + 1.0)

class ModelNew(torch.nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(rows, 1024))

    def forward(self, x):
        y = torch.empty_like(x)
        weigh[(round(x.shape[0] * {share}),)](x, self.weight, y, BLOCK=1024)
        return y
"""

# Rows in other memory, which nobody asked for: at each call another part of it.
_OTHER_ROWS = """
import torch
import triton
import triton.language as tl

PLACES = 65536

@triton.jit
def scale(x_ptr, y_ptr, other_ptr, rows, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    if row < rows:
        at = row * BLOCK + columns
        tl.store(y_ptr + at, tl.load(x_ptr + at) * 2.0 + 1.0)
    else:
        at = (row - rows) * BLOCK + columns
        tl.store(other_ptr + at, tl.load(other_ptr + at) * 0.5)

class ModelNew(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.other = None
        self.calls = 0

    def forward(self, x):
        if self.other is None:
            self.other = torch.zeros(PLACES + {more}, 1024, device=x.device)
        start = self.calls * {more} % PLACES
        self.calls += 1
        y = torch.empty_like(x)
        scale[(x.shape[0] + {more},)](x, y, self.other[start:], x.shape[0], BLOCK=1024)
        return y
"""

# Every turn gives back what it was given, once the first has rounded it; no compiler may know that of floats.
_TURNING = """
import torch
import triton
import triton.language as tl

TURNS = 50000

@triton.jit(do_not_specialize=["turns"])
def turn(x_ptr, y_ptr, turns, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    y = tl.load(x_ptr + offsets) * 2.0 + 1.0
    for _ in range(turns):
        y = (y * 2.0 + 1.0 - 1.0) * 0.5
    tl.store(y_ptr + offsets, y)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        turn[(x.shape[0],)](x, y, round(TURNS * {share}), BLOCK=1024)
        return y
"""


@dataclass(frozen=True)
class Kernel:
    """One program for each row of 1024 float32.

    Args:
        rows: how many it takes to be as long as it should be.
        reference: text of the reference; `rows` is filled in.
        candidate: text of the candidate; the `share` of its work that it does is filled in.
        longer: text of one that does more than it must, and is right; the `share`, or how many rows `more`.
    """

    name: str
    rows: int
    reference: str = _STREAM
    candidate: str = _STREAMING
    longer: str = _OTHER_ROWS

    def task(self) -> Task:
        """What the kernel should do."""
        return Task(
            name=self.name,
            reference=self.reference.format(rows=self.rows),
            path=Path(f"{self.name}.py"),
            tolerance=load_tolerance("standard", CONF),
        )

    def source(self, share: float = 1.0) -> str:
        """A candidate that does this share of the work."""
        return self.candidate.format(share=share)

    def extended(self, more: float) -> str:
        """A right candidate that does more work, as a share of its own."""
        return self.longer.format(share=1 + more, more=round(self.rows * more))


# Some 5, 50 and 500 us, and 100 ms, on an H100.
STREAMING = {name: Kernel(name, rows) for name, rows in {"short": 1344, "medium": 18_176, "long": 196_608}.items()}
LONGEST = Kernel("longest", 18_176, candidate=_TURNING, longer=_TURNING)
KERNELS = {
    "short": STREAMING["short"],
    "weighted": Kernel("weighted", 1024, _WEIGHT, _WEIGHTED),
    **STREAMING,
    "longest": LONGEST,
}
