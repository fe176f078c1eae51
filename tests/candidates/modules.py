"""Candidates to check: a clean one, and the same with something added."""

from dataclasses import dataclass

from candidates.static_rules import check


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True)
class Api:
    version: str = "3.7.1"
    language: frozenset[str] = _words(
        "program_id num_programs arange load store constexpr sum max min exp log sqrt rsqrt erf sigmoid where maximum "
        "minimum zeros full dot cdiv float32 float16 math extra core random make_tensor_descriptor static_range range "
        "abs debug_barrier join cat softmax"
    )
    libdevice: frozenset[str] = _words("tanh log1p expm1 rint pow isnan erf rsqrt")


API = Api()

HEAD = """\
import math
import functools
import torch
import torch.nn as nn
import torch.nn.functional as F
import triton
import triton.language as tl

"""
KERNEL = """
@triton.jit
def double(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n) * 2, mask=at < n)

"""
MODEL = """
class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        double[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)
        return y
"""


def module(extra: str = "", head: str = "") -> str:
    """A clean candidate with `head` among its imports and `extra` between kernel and class."""
    return f"{head}\n{HEAD}{KERNEL}\n{extra}\n{MODEL}"


def within(statement: str) -> str:
    """A clean candidate whose forward begins with a statement (of one or more lines)."""
    lines = "".join(f"        {line}\n" for line in statement.split("\n"))
    return module().replace("    def forward(self, x):\n", f"    def forward(self, x):\n{lines}")


def rules(source: str) -> set[str]:
    """Names of the rules that refuse a source."""
    return {finding.rule for finding in check(source, API) if finding.severity == "refuse"}
