"""Which program instance covers an element of an output: as it was seen, or as a launch plainly says."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from evaluator.verdict import KernelFacts

_SHOWN = 4  # programs named, of those that write one element


def in_words(writers: Sequence[Mapping[str, Any]]) -> str:
    """One sentence about the programs that were seen to write an element."""
    if not writers:
        return "No program of its kernels writes that element: PyTorch makes it, or nobody does."
    named = [
        f"program {_index(one['program'])} of the grid {_index(one['grid'])} of {one['kernel']}"
        for one in writers[:_SHOWN]
    ]
    if len(writers) == 1:
        return f"That element is written by {named[0]}."
    more = f", and {len(writers) - _SHOWN} more" if len(writers) > _SHOWN else ""
    return f"That element is written by {len(writers)} programs: {'; '.join(named)}{more}."


def by_launch(kernels: Sequence[KernelFacts], shape: Sequence[int], element: int) -> str:
    """One sentence about the program that should write `element` (row-major) of an output, going by the launch.

    Only one kernel in a grid of one axis says it, with a program for each row of the output, or one for each block of
    elements of the size of one of the kernel's constants. Both can be meant: blocks of 1024 for rows of 1000 do.
    """
    unknown = "Which program writes that element is not plain from the launches."
    if len(kernels) != 1 or kernels[0].grid is None or (kernels[0].launches or 1) != 1:
        return unknown
    kernel, grid = kernels[0], kernels[0].grid
    assert grid is not None
    programs, total = grid[0], math.prod(shape)
    if any(size != 1 for size in grid[1:]) or not shape or not total:
        return unknown
    found: dict[int, str] = {}
    if programs * shape[-1] == total:
        found[element // shape[-1]] = "one a row"
    for name, size in kernel.constants.items():
        if type(size) is int and size > 1 and -(-total // size) == programs:
            found.setdefault(element // size, f"one for {name} = {size} elements")
    if not found:
        return unknown
    which = ", or ".join(f"by program {program} if it is {how}" for program, how in found.items())
    if len(found) == 1:
        ((program, how),) = found.items()
        which = f"by program {program} ({how})"
    return f"Going by the launch of {kernel.name} ({programs} programs), that element is written {which}."


def _index(numbers: Sequence[int]) -> str:
    return f"({', '.join(map(str, numbers))})"
