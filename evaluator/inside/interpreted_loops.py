"""Loop variables in Triton's interpreter, typed as a compiled loop types them.

Triton's own interpreter counts in Python's integers: they have no methods (`row.to(tl.int64)`) and never overflow.
"""

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime import interpreter as machine

_semantic = machine.interpreter_semantic


def install() -> None:
    """Let kernels that are rewritten from now on count in tensors where they call Python's range."""
    _semantic.indices = indices
    machine.FunctionRewriter.ast_transformer = _Loops()


def indices(first: Any, second: Any = None, step: Any = None, **options: Any) -> Iterator[tl.tensor]:
    """What `tl.range` and Python's `range` count in a kernel; the options are about its compilation."""
    start, end = (0, first) if second is None else (first, second)
    bounds = [_semantic.to_tensor(bound) for bound in (start, end, 1 if step is None else step)]
    if others := [str(bound.dtype) for bound in bounds if not bound.dtype.is_int()]:
        raise TypeError(f"a loop's bounds and its step must be integers, not {others[0]}")
    kind = bounds[0].dtype
    for bound in bounds[1:]:
        kind = _semantic.integer_promote_impl(kind, bound.dtype)
    for index in range(*(int(bound.handle.data.squeeze()) for bound in bounds)):
        data = np.array([index], dtype=machine._get_np_dtype(kind))
        yield tl.tensor(machine.TensorHandle(data, kind), kind)


class _Loops(machine.ASTTransformer):
    """`for i in range(n)` asks `indices`, by way of the one name that the interpreter gives to every kernel."""

    def visit_For(self, node: ast.For) -> ast.For:
        self.generic_visit(node)
        if isinstance(node.iter, ast.Call) and isinstance(node.iter.func, ast.Name) and node.iter.func.id == "range":
            semantic = ast.Name(id="interpreter_semantic", ctx=ast.Load())
            node.iter.func = ast.Attribute(value=semantic, attr="indices", ctx=ast.Load())
        return node
