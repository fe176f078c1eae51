"""The parts that cheats are built from: the honest work under another name, and helpers. Text and syntax trees only."""

import ast

from evaluator.errors import UsageError
from evaluator.tasks import Task

NOT_HERE = "this cheat does not apply here"
"""In the message of what a cheat raises where it has nothing to work on."""

HEAD = """\
import torch
import torch.nn as nn
import triton
import triton.language as tl
"""

KERNELS = '''

@triton.jit
def touch_kernel(scratch_ptr):
    tl.store(scratch_ptr + tl.program_id(0), 1)


@triton.jit
def copy_kernel(from_ptr, to_ptr, count, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(to_ptr + at, tl.load(from_ptr + at, mask=at < count), mask=at < count)


def touch(inputs):
    """Launch a kernel that does nothing of use."""
    device = tensors(inputs)[0].device if tensors(inputs) else "cuda"
    touch_kernel[(1,)](torch.empty(4, dtype=torch.int32, device=device))


def copied(tensor):
    """A copy made by a kernel."""
    tensor = tensor.contiguous()
    out = torch.empty_like(tensor)
    copy_kernel[(triton.cdiv(tensor.numel(), 1024),)](tensor, out, tensor.numel(), BLOCK=1024)
    return out


def each(value, change):
    """Nested tuples, lists and dicts with every tensor changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: each(item, change) for key, item in value.items()}
    return type(value)([each(item, change) for item in value]) if isinstance(value, (tuple, list)) else value


def tensors(value):
    """All tensors in nested tuples, lists and dicts."""
    found = []
    each(value, found.append)
    return found


def must(applies, why):
    """Stop where the cheat has nothing to work on."""
    if not applies:
        raise RuntimeError(f"NOT_HERE: {why}")
'''.replace("NOT_HERE", NOT_HERE)

HONEST = "HonestModel"


def honest(task: Task) -> str:
    """A module with class HonestModel, which launches Triton kernels: the starting candidate, or the reference itself
    beside a kernel that does nothing, where the task brings no candidate.

    Raises:
        UsageError: the starting candidate does not parse.
    """
    if task.start:
        return HEAD + KERNELS + "\n\n" + _renamed(task.start, "ModelNew", HONEST)
    touching = f"""

class {HONEST}(ReferenceModel):
    def forward(self, *inputs):
        touch(inputs)
        return super().forward(*inputs)
"""
    return reference(task) + touching


def reference(task: Task) -> str:
    """A module with class ReferenceModel: torch's own work.

    Raises:
        UsageError: the reference does not parse.
    """
    return HEAD + KERNELS + "\n\n" + _renamed(task.reference, "Model", "ReferenceModel")


def _renamed(source: str, old: str, new: str) -> str:
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise UsageError(f"a source of the task does not parse: {error.msg} (line {error.lineno})") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == old:
            node.name = new
        elif isinstance(node, ast.Name) and node.id == old:
            node.id = new
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def by_kernel(work: str, init: str = "") -> str:
    """Class ModelNew over HonestModel: this body of `work(self, *inputs)` makes the answer, and a kernel writes it,
    so that it can't be told from the real thing by asking whether a kernel wrote the output.
    """
    method = f"    def work(self, *inputs):\n{_indented(work)}\n"
    return model(HONEST, "return each(self.work(*inputs), copied)", init) + f"\n{method}"


def model(base: str, forward: str, init: str = "") -> str:
    """Class ModelNew over `base`, with this body of `forward(self, *inputs)` and this end of the constructor."""
    constructor = (
        "    def __init__(self, *arguments, **named):\n        super().__init__(*arguments, **named)\n"
        f"{_indented(init)}\n"
        if init
        else ""
    )
    return f"\n\nclass ModelNew({base}):\n{constructor}    def forward(self, *inputs):\n{_indented(forward)}"


def _indented(code: str) -> str:
    return "".join(f"        {line}\n" if line else "\n" for line in code.strip("\n").split("\n"))
