"""Several rows for each program, where the code gives each program one.

A kernel whose programs each work on one row, `row = tl.program_id(0)`, is rewritten to blocks of BLOCK_ROWS by the
row's block: the row number becomes a column of numbers, the block of columns a line, reductions run along the line, and
what lies behind the last row is masked. That is done only where every statement of the kernel is understood: its value
is traced as one of four shapes, and what is not one of them, or not known to broadcast, leaves the kernel alone.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from harness.proposers.edits import Edit, apply
from harness.proposers.module import Launch, Module, NotRecognised, arguments_of, constants, is_tl

ROWS, COUNT = "BLOCK_ROWS", "row_count"

_ELEMENTWISE = (
    *("abs", "exp", "exp2", "log", "log2", "sqrt", "sqrt_rn", "rsqrt", "sin", "cos", "erf", "floor", "ceil"),
    *("sigmoid", "maximum", "minimum", "where", "fma", "div_rn"),
)
_REDUCTIONS = ("sum", "max", "min")
_RANGES = ("range", "static_range")


@dataclass(frozen=True)
class Shape:
    """What a value depends on: the row, and a block of columns (the name of its size). Neither: the same for all."""

    rows: bool = False
    columns: str = ""

    def with_(self, other: "Shape") -> "Shape":
        """The shape of two values that are broadcast to each other."""
        if self.columns and other.columns and self.columns != other.columns:
            raise NotRecognised
        return Shape(self.rows or other.rows, self.columns or other.columns)

    def holds(self, other: "Shape") -> bool:
        """True if the other value broadcasts to this shape."""
        return (self.rows or not other.rows) and other.columns in ("", self.columns)


UNIFORM, ROW = Shape(), Shape(rows=True)


def several_rows(source: str, kernel: str, rows: int) -> str:
    """The source with `rows` rows for each program of a kernel.

    Raises:
        NotRecognised: the kernel or one of its launches is not of the form that is understood.
        candidates.syntax.Unparsed: the source is no Python module.
    """
    module = Module(source)
    function, launches = module.sole(kernel)
    if not module.is_free(ROWS, COUNT) or function.args.defaults or function.args.kwonlyargs or function.args.vararg:
        raise NotRecognised
    edits = _Body(module, function).edits()
    last = function.args.args[-1]
    end = module.layout.offset(last.end_lineno or 0, last.end_col_offset or 0)
    edits.append(Edit(end, end, f", {COUNT}, {ROWS}: tl.constexpr"))
    for launch in launches:
        edits += _launch_edits(module, launch, rows)
    return apply(source, edits)


def _launch_edits(module: Module, launch: Launch, rows: int) -> list[Edit]:
    count = _row_count(module, launch)
    start, end = module.layout.span(count)
    said = module.text(count)
    at, before, behind = module.layout.argument_place(launch.call)
    return [
        Edit(start, end, f"triton.cdiv({said}, {rows})"),
        Edit(at, at, f"{before}{COUNT}={said}, {ROWS}={rows}{behind}"),
    ]


def _row_count(module: Module, launch: Launch) -> ast.expr:
    """The first axis of a launch's grid: the number of rows, an expression that means the same at the launch."""
    grid = module.names.value(launch.grid)
    if not isinstance(grid, ast.Tuple) or not grid.elts or not module.is_pure(grid.elts[0]):
        raise NotRecognised
    if grid is not launch.grid:
        scope = module.names.enclosing(launch.call)
        if scope is None or scope is not module.names.enclosing(grid) or not module.names.settled(grid.elts[0]):
            raise NotRecognised
        word = _word(launch.grid)
        if sum(isinstance(node, ast.Name) and node.id == word for node in ast.walk(scope)) != 2:
            raise NotRecognised  # another launch has the same grid
    return grid.elts[0]


def _word(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


class _Body:
    """The statements of a kernel, with the shape that each name has, and the edits that give it rows."""

    def __init__(self, module: Module, function: ast.FunctionDef) -> None:
        self._module = module
        self._function = function
        self._constants = frozenset(constants(function))
        self._shapes = {argument.arg: UNIFORM for argument in [*function.args.posonlyargs, *function.args.args]}
        self._row = ""
        self._stored = False
        self._edits: list[Edit] = []

    def edits(self) -> list[Edit]:
        """What is to be changed within the function."""
        self._block(self._function.body)
        stores = [node for node in ast.walk(self._function) if isinstance(node, ast.Name) and node.id == self._row]
        if not self._row or not self._stored or sum(isinstance(node.ctx, ast.Store) for node in stores) != 1:
            raise NotRecognised
        return self._edits

    def _block(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_row(value):
                self._take_row(name, value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._shapes[name] = self._shape(value)
            case ast.AugAssign(target=ast.Name(id=name), value=value) if name in self._shapes:
                self._shapes[name] = self._shapes[name].with_(self._shape(value))
            case ast.For(target=ast.Name(id=name), iter=iterated, body=body, orelse=[]):
                self._loop(name, iterated, body)
            case ast.Expr(value=ast.Call() as call) if is_tl(call, "store"):
                self._store(call)
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case _:
                raise NotRecognised

    def _take_row(self, name: str, value: ast.expr) -> None:
        if self._row:
            raise NotRecognised
        self._row, self._shapes[name] = name, ROW
        start, end = self._module.layout.span(value)
        said = self._module.text(value)
        self._edits.append(Edit(start, end, f"({said} * {ROWS} + tl.arange(0, {ROWS}))[:, None]"))

    def _loop(self, name: str, iterated: ast.expr, body: Sequence[ast.stmt]) -> None:
        is_range = (isinstance(iterated, ast.Call) and _word(iterated.func) == "range") or is_tl(iterated, *_RANGES)
        if not is_range or name in self._shapes:
            raise NotRecognised
        assert isinstance(iterated, ast.Call)
        if any(self._shape(bound) != UNIFORM for bound in iterated.args):
            raise NotRecognised
        if not all(isinstance(keyword.value, ast.Constant) for keyword in iterated.keywords):
            raise NotRecognised
        before = dict(self._shapes)
        self._shapes[name] = UNIFORM
        self._block(body)
        # What a loop carries must keep its shape; what it first binds is its own. So its variable may come again.
        if any(self._shapes[known] != shape for known, shape in before.items()):
            raise NotRecognised
        self._shapes = before

    def _store(self, call: ast.Call) -> None:
        self._stored = True
        arguments = arguments_of(call, "pointer", "value", "mask")
        target = self._shape(arguments["pointer"])
        if not target.rows or not target.holds(self._shape(arguments["value"])):
            raise NotRecognised
        self._mask(call, arguments.get("mask"), target)

    def _load(self, call: ast.Call) -> Shape:
        arguments = arguments_of(call, "pointer", "mask", "other")
        source = self._shape(arguments["pointer"])
        if "other" in arguments and not source.holds(self._shape(arguments["other"])):
            raise NotRecognised
        if source.rows:
            self._mask(call, arguments.get("mask"), source)
        elif "mask" in arguments and not source.holds(self._shape(arguments["mask"])):
            raise NotRecognised
        return source

    def _mask(self, call: ast.Call, mask: ast.expr | None, target: Shape) -> None:
        """Let no row behind the last one be read or written."""
        live = f"({self._row} < {COUNT})"
        if mask is None:
            at, before, behind = self._module.layout.argument_place(call)
            self._edits.append(Edit(at, at, f"{before}mask={live}{behind}"))
            return
        known = len(self._edits)
        if not target.holds(self._shape(mask)) or len(self._edits) > known:  # it holds what is itself rewritten
            raise NotRecognised
        start, end = self._module.layout.span(mask)
        said = self._module.text(mask) if isinstance(mask, ast.Name) else f"({self._module.text(mask)})"
        self._edits.append(Edit(start, end, f"{said} & {live}"))

    def _shape(self, node: ast.expr) -> Shape:
        match node:
            case ast.Constant():
                return UNIFORM
            case ast.Name(id=name) if name in self._shapes:
                return self._shapes[name]
            case ast.BinOp(op=ast.MatMult()):
                raise NotRecognised
            case ast.BinOp(left=left, right=right) | ast.Compare(left=left, ops=[_], comparators=[right]):
                return self._shape(left).with_(self._shape(right))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert(), operand=operand):
                return self._shape(operand)
            case ast.Call(func=ast.Name(id="float"), args=[ast.Constant()], keywords=[]):
                return UNIFORM
            case ast.Call(func=ast.Attribute(value=inner, attr="to"), args=[kind], keywords=[]) if _is_type(kind):
                return self._shape(inner)
            case ast.Call() if isinstance(node.func, ast.Attribute) and _word(node.func.value) == "tl":
                return self._called(node, node.func.attr)
        raise NotRecognised

    def _called(self, call: ast.Call, word: str) -> Shape:
        match word:
            case "load":
                return self._load(call)
            case "arange":
                return self._columns(call)
            case "zeros" | "full":
                return self._filled(call)
            case "program_id" if not call.keywords and _is_number(call.args, 1, 2):
                return UNIFORM
            case _ if word in _REDUCTIONS:
                return self._reduced(call)
            case _ if word in _ELEMENTWISE and not call.keywords:
                shape = UNIFORM
                for argument in call.args:
                    shape = shape.with_(self._shape(argument))
                return shape
        raise NotRecognised

    def _columns(self, call: ast.Call) -> Shape:
        match call:
            case ast.Call(args=[ast.Constant(value=0), ast.Name(id=size)], keywords=[]) if size in self._constants:
                _, end = self._module.layout.span(call)
                self._edits.append(Edit(end, end, "[None, :]"))
                return Shape(columns=size)
        raise NotRecognised

    def _filled(self, call: ast.Call) -> Shape:
        """A block of one value gets all rows at once, since what is added to it in a loop may have them."""
        given = call.args[0] if call.args else None
        match given:
            case ast.List(elts=[ast.Name(id=size)]) | ast.Tuple(elts=[ast.Name(id=size)]) if size in self._constants:
                pass
            case _:
                raise NotRecognised
        values = [argument for argument in call.args[1:] if not _is_type(argument)]
        values += [keyword.value for keyword in call.keywords if keyword.arg != "dtype"]
        if any(self._shape(value) != UNIFORM for value in values):
            raise NotRecognised
        assert given is not None
        start, end = self._module.layout.span(given)
        self._edits.append(Edit(start, end, f"[{ROWS}, {size}]"))
        return Shape(True, size)

    def _reduced(self, call: ast.Call) -> Shape:
        match call:
            case ast.Call(args=[operand, ast.Constant(value=0) as axis], keywords=[]):
                pass
            case ast.Call(args=[operand], keywords=[ast.keyword(arg="axis", value=ast.Constant(value=0) as axis)]):
                pass
            case _:
                raise NotRecognised
        shape = self._shape(operand)
        if not shape.rows or not shape.columns:
            raise NotRecognised
        start, end = self._module.layout.span(axis)
        self._edits.append(Edit(start, end, "1, keep_dims=True"))
        return ROW


def _is_row(node: ast.expr) -> bool:
    """True for tl.program_id(0), converted or not."""
    match node:
        case ast.Call(func=ast.Attribute(value=inner, attr="to"), args=[kind], keywords=[]) if _is_type(kind):
            return _is_row(inner)
        case ast.Call(keywords=[]) if is_tl(node, "program_id"):
            return _is_number(node.args, 0)
    return False


def _is_number(nodes: Sequence[ast.expr], *values: int) -> bool:
    match nodes:
        case [ast.Constant(value=value)]:
            return type(value) is int and value in values
    return False


def _is_type(node: ast.expr) -> bool:
    """True for tl.float32 and for out_ptr.dtype.element_ty."""
    match node:
        case ast.Attribute(value=ast.Name(id="tl")):
            return True
        case ast.Attribute(value=ast.Attribute(value=ast.Name(), attr="dtype"), attr="element_ty"):
            return True
        case ast.Attribute(value=ast.Name(), attr="dtype"):
            return True
    return False
