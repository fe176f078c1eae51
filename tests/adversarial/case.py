"""What a case of the collection is, and the honest candidate that all of them start from.

No source here is ever imported: it is parsed by the static rules, and run in the sandbox.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evaluator.tasks import Task, Tolerance
from evaluator.verdict import Status

Group = Literal[
    "static", "no-work", "wrong-shortcut", "memory", "timing", "protocol", "escape", "persistence", "honest"
]

WRONG = frozenset({Status.WRONG_OUTPUT})
VIOLATION = frozenset({Status.INTEGRITY_VIOLATION})
FAULT = frozenset({Status.RUNTIME_ERROR})
CRASH = frozenset({Status.CRASHED})
VERIFIED = frozenset({Status.VERIFIED})
CAUGHT = WRONG | VIOLATION | FAULT | CRASH


@dataclass(frozen=True)
class Case:
    """A cheat, or an honest candidate that looks like one.

    `expected` are the statuses that it may end in. A case that is `paid_in_time` is right but pretends to be fast: it
    may end in `verified` as well, if the time that is then reported is no better than the honest candidate's.
    """

    name: str
    group: Group
    source: str
    expected: frozenset[Status]
    caught_by: str  # the check that is meant to see it
    shows: Literal["cpu", "gpu"] = "cpu"  # gpu: without one nothing of it can be seen
    refused: bool = False  # whether the static rules refuse it; the sandbox sees it all the same
    said: str = ""  # a regular expression that the verdict's reason matches
    noted: str = ""  # a regular expression that a note or finding matches, where it ends in `verified`
    primer: str = ""  # a candidate that is evaluated just before, to prepare the ground
    paid_in_time: bool = False
    pending: str = ""  # which check is still missing
    known: str = ""  # why it is not caught, as docs/threat-model.md says
    torch_is_free: bool | None = None  # None: as its class needs it

    @property
    def task(self) -> Task:
        """Torch may do arithmetic, except for those who are to be caught at it: one check at a time."""
        free = self.group not in ("no-work", "honest") if self.torch_is_free is None else self.torch_is_free
        return LENIENT if free else TASK


REFERENCE = """\
import torch
import torch.nn as nn

ROWS = 20000
WIDTH = 1000

class Model(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.gain = nn.Parameter(torch.ones(WIDTH))
        self.shift = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x):
        return torch.relu(x * self.gain + self.shift) * self.factor

def get_inputs():
    return [torch.randn(ROWS, WIDTH)]

def get_init_inputs():
    return [3.0]
"""

TASK = Task(
    name="scaled_shifted_relu",
    reference=REFERENCE,
    path=Path("scaled_shifted_relu.py"),
    small={"ROWS": 7},
    vary={"ROWS": (3,)},
    tolerance=Tolerance(name="standard", rtol=1e-4, atol=1e-4, reference_factor=3.0),
)

LENIENT = TASK.model_copy(update={"torch_ops": ("any",)})

HEAD = """\
import torch
import torch.nn as nn
import triton
import triton.language as tl
"""

KERNEL = """

@triton.jit
def scaled_relu(x_ptr, gain_ptr, shift_ptr, out_ptr, width, factor, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    x = tl.load(x_ptr + row * width + columns, mask=mask)
    gain = tl.load(gain_ptr + columns, mask=mask)
    shift = tl.load(shift_ptr + columns, mask=mask)
    result = tl.maximum(x * gain + shift, 0.0) * factor
    tl.store(out_ptr + row * width + columns, result, mask=mask)
"""

TOUCH = """

@triton.jit
def touch(scratch_ptr):
    tl.store(scratch_ptr + tl.program_id(0), 1.0)
"""

COPY = """

@triton.jit
def copy(from_ptr, to_ptr, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(to_ptr + at, tl.load(from_ptr + at, mask=at < count), mask=at < count)
"""

INIT = """

class ModelNew(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.gain = nn.Parameter(torch.ones(1000))
        self.shift = nn.Parameter(torch.zeros(1000))
        self.calls = 0
"""

LAUNCH = "scaled_relu[(x.shape[0],)](x, self.gain, self.shift, out, x.shape[1], self.factor, BLOCK=1024)\n"
ANSWER = "torch.relu(x * self.gain + self.shift) * self.factor"


def lines(code: str, depth: int) -> str:
    """Code indented by `depth` levels."""
    return "".join(f"{'    ' * depth}{line}\n" if line else "\n" for line in code.strip("\n").split("\n"))


def method(name: str, code: str, arguments: str = "self, x") -> str:
    """A method with this body."""
    return f"\n    def {name}({arguments}):\n{lines(code, 2)}"


def candidate(
    before: str = "", after: str = "return out", *, kernel: str = KERNEL, head: str = "", init: str = "", more: str = ""
) -> str:
    """The honest candidate with things added.

    Args:
        before: code at the start of forward, before the output is allocated.
        after: code after the launch, the return statement included.
        kernel: the kernels in place of the honest one.
        head: code at module level, after the imports.
        init: code at the end of the constructor.
        more: further methods.
    """
    body = (lines(before, 2) if before else "") + lines("out = torch.empty_like(x)\n" + LAUNCH, 2) + lines(after, 2)
    forward = f"\n    def forward(self, x):\n{body}"
    return (
        HEAD
        + (f"\n\n{head.strip()}\n" if head else "")
        + kernel
        + INIT
        + (lines(init, 2) if init else "")
        + (forward + more)
    )


def forwarding(code: str, *, kernel: str = KERNEL, head: str = "", init: str = "") -> str:
    """A candidate whose forward is this code and nothing else."""
    start = HEAD + (f"\n\n{head.strip()}\n" if head else "") + kernel + INIT + (lines(init, 2) if init else "")
    return start + method("forward", code)


def replaced(old: str, new: str) -> str:
    """The honest kernel with something exchanged.

    Raises:
        ValueError: there is nothing to exchange.
    """
    if old not in KERNEL:
        raise ValueError(f"the kernel has no {old!r}")
    return KERNEL.replace(old, new)
