"""What kind of kernel a function is, as far as legal block sizes depend on it."""

import ast
from dataclasses import dataclass
from typing import TypeGuard

from harness.proposers.module import constants, is_tl
from harness.proposers.names import called_name

_RANGES = ("range", "static_range")


@dataclass(frozen=True)
class Form:
    """`steps` are the block sizes by which a loop walks over a size; `group` is that of a grouped order of tiles."""

    loops: bool = True  # num_stages means nothing to a kernel without a loop
    multiplies: bool = False  # by tl.dot, whose operands have smallest sizes
    steps: frozenset[str] = frozenset()
    group: str = ""

    @property
    def row_blocks(self) -> frozenset[str]:
        """Steps of a kernel that walks along rows; in a matrix product they are the inner dimension's."""
        return frozenset() if self.multiplies else self.steps


def read_form(function: ast.FunctionDef) -> Form:
    """The form of a kernel; what is not recognised is left out."""
    nodes = list(ast.walk(function))
    known = set(constants(function))
    return Form(
        loops=any(isinstance(node, ast.For | ast.While) for node in nodes),
        multiplies=any(is_tl(node, "dot", "dot_scaled") for node in nodes),
        steps=frozenset(name for node in nodes if isinstance(node, ast.For) for name in _steps(node.iter) & known),
        group=next((name for node in nodes if (name := _group(node)) in known), ""),
    )


def _steps(iterated: ast.expr) -> set[str]:
    """Names that a loop steps by, `range(0, n, B)`, or counts blocks of, `range(tl.cdiv(n, B))`."""
    if not isinstance(iterated, ast.Call) or called_name(iterated) not in _RANGES:
        return set()
    found = [iterated.args[2]] if len(iterated.args) == 3 else []
    found += [part.args[1] for part in ast.walk(iterated) if is_tl(part, "cdiv") and _has_two(part)]
    return {node.id for node in found if isinstance(node, ast.Name)}


def _has_two(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and len(node.args) == 2


def _group(node: ast.AST) -> str:
    """The size of a group of tiles, where these are numbered by tl.swizzle2d: any is right, since it permutes them."""
    if isinstance(node, ast.Call) and is_tl(node, "swizzle2d") and len(node.args) == 5:
        last = node.args[4]
        return last.id if isinstance(last, ast.Name) else ""
    return ""
