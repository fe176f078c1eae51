"""The kernels that timing is measured with: three that stream, by length, and a short one with weights.

What streams lies elsewhere at each call of a ring, so that the luck of where memory lies is averaged. Weights are the
same memory at every call.
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


@dataclass(frozen=True)
class Kernel:
    """One program for each row of 1024 float32.

    Args:
        rows: how many it takes to be as long as it should be.
        reference: text of the reference; `rows` is filled in.
        candidate: text of the candidate; the `share` of the rows that it does is filled in.
    """

    name: str
    rows: int
    reference: str = _STREAM
    candidate: str = _STREAMING

    def task(self) -> Task:
        """What the kernel should do."""
        return Task(
            name=self.name,
            reference=self.reference.format(rows=self.rows),
            path=Path(f"{self.name}.py"),
            tolerance=load_tolerance("standard", CONF),
        )

    def source(self, share: float = 1.0) -> str:
        """A candidate that does this share of the rows."""
        return self.candidate.format(share=share)


# Some 5, 50 and 500 us on an H100.
STREAMING = {name: Kernel(name, rows) for name, rows in {"short": 1344, "medium": 18_176, "long": 196_608}.items()}
KERNELS = {"short": STREAMING["short"], "weighted": Kernel("weighted", 1024, _WEIGHT, _WEIGHTED)} | STREAMING
