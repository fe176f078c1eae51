"""Passes over a kernel's syntax tree that make it readable and change nothing that it computes."""

import ast
import re
from collections import Counter


def fold_scalars(function: ast.FunctionDef) -> None:
    """Write `tl.full([1, 1], 0.5, tl.float32)` as 0.5 where it meets another operand in float32 arithmetic."""
    scalars: dict[str, ast.expr] = {}
    uses = Counter(n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    operands = Counter(
        side.id
        for node in ast.walk(function)
        if isinstance(node, ast.BinOp)
        for side, other in ((node.left, node.right), (node.right, node.left))
        if isinstance(side, ast.Name) and not isinstance(other, ast.Constant)
    )
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _scalar(node.value)
            if value is not None and uses[node.targets[0].id] == operands[node.targets[0].id]:
                scalars[node.targets[0].id] = value
    for node in ast.walk(function):
        if isinstance(node, ast.BinOp) and not _both(node, scalars):
            node.left, node.right = (_replaced(side, scalars) for side in (node.left, node.right))


def _both(node: ast.BinOp, scalars: dict[str, ast.expr]) -> bool:
    return all(isinstance(side, ast.Name) and side.id in scalars for side in (node.left, node.right))


def _replaced(node: ast.expr, scalars: dict[str, ast.expr]) -> ast.expr:
    return scalars[node.id] if isinstance(node, ast.Name) and node.id in scalars else node


def _scalar(value: ast.expr) -> ast.expr | None:
    """The number of `tl.full([1, 1], NUMBER, tl.float32)`, or of an integer one that is cast to it."""
    match value:
        case ast.Call(func=ast.Attribute(value=inner, attr="to"), args=[dtype]) if ast.unparse(dtype) == "tl.float32":
            return _full(inner, ("tl.int32", "tl.int64", "tl.float32"))
    return _full(value, ("tl.float32",))


def _full(value: ast.expr, dtypes: tuple[str, ...]) -> ast.expr | None:
    if not (isinstance(value, ast.Call) and ast.unparse(value.func) == "tl.full" and len(value.args) == 3):
        return None
    shape, number, dtype = value.args
    if not re.fullmatch(r"\[1(, 1)*\]", ast.unparse(shape)) or ast.unparse(dtype) not in dtypes:
        return None
    return number if isinstance(number, ast.Constant | ast.Name | ast.UnaryOp) else None


class Tidying(ast.NodeTransformer):
    """Takes away what changes nothing: `[:]`, and a broadcast of what has that shape by a broadcast before."""

    def __init__(self) -> None:
        self._shapes: dict[str, str] = {}

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        return node.value if ast.unparse(node.slice) == ":" else node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call(args=[ast.Name(id=source) as name, shape])):
                if ast.unparse(node.value).startswith("tl.broadcast_to("):
                    if self._shapes.get(source) == ast.unparse(shape):
                        node.value = name
                    self._shapes[target] = ast.unparse(shape)
        return node


def propagate_copies(function: ast.FunctionDef) -> None:
    """Use `xindex` for the `x0` that is only another name for it.

    What a loop carries on (`_tmp3`) changes between a copy and its use, and is left alone.
    """
    values: dict[str, list[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        values.setdefault(part.id, []).append(ast.unparse(node.value))
        elif isinstance(node, ast.For | ast.AugAssign) and isinstance(node.target, ast.Name):
            values.setdefault(node.target.id, []).append("")
    copies = {}
    for name, found in values.items():
        source = found[0]
        once = len(found) == len(values.get(source, ())) == 1
        if len(set(found)) == 1 and source.isidentifier() and (once or "tmp" not in name + source):
            copies[name] = source
    for name in copies:
        while copies[name] in copies:
            copies[name] = copies[copies[name]]
    Renaming(copies, stores=False).visit(function)


def drop_unused(function: ast.FunctionDef) -> None:
    """Take out assignments to names that nothing reads; what they compute has no effect."""
    while True:
        read = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        dropping = _Dropping(read)
        dropping.visit(function)
        if not dropping.dropped:
            return


class _Dropping(ast.NodeTransformer):
    def __init__(self, read: set[str]) -> None:
        self._read = read
        self.dropped = False

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id not in self._read:
            self.dropped = True
            return None
        return node


class Renaming(ast.NodeTransformer):
    """Gives names other names; with `stores` False only where they are read."""

    def __init__(self, names: dict[str, str], stores: bool = True) -> None:
        self._names = names
        self._stores = stores

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._names and (self._stores or isinstance(node.ctx, ast.Load)):
            return ast.Name(self._names[node.id], node.ctx)
        return node


def number_temporaries(function: ast.FunctionDef) -> None:
    """Number what is left of tmp0, tmp1, ... without gaps; `_tmp3`, which a loop adds up, becomes `running3`."""
    names: dict[str, str] = {}
    for node in ast.walk(_in_order(function)):
        if isinstance(node, ast.Name) and (match := re.fullmatch(r"(_?)tmp(\d+)(\w*)", node.id)):
            number = len({name for name in names.values() if name.startswith("running" if match[1] else "v")})
            names.setdefault(node.id, f"{'running' if match[1] else 'v'}{number}")
    Renaming(names).visit(function)


def _in_order(function: ast.FunctionDef) -> ast.AST:
    """All the names of a function, as they are written from top to bottom."""
    names: list[ast.expr] = []

    class Reader(ast.NodeVisitor):
        def visit_Name(self, node: ast.Name) -> None:
            names.append(node)

        def visit_Assign(self, node: ast.Assign) -> None:
            self.visit(node.value)
            for target in node.targets:
                self.visit(target)

    Reader().visit(function)
    return ast.Tuple(names, ast.Load())
