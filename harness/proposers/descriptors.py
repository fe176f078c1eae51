"""Tensor descriptors in place of pointers, and programs that stay: how a matrix product is written for Hopper.

A kernel that multiplies matrices on a grid of two axes, each of its tiles addressed as `base + rows[:, None] * stride +
columns[None, :]` and masked at the tensor's edges, gets a sibling whose tiles are loaded and stored by tensor
descriptors, and whose programs, no more than there are SMs, take tile after tile. What lies behind an edge is read as
zero by either. Descriptors want rows that begin at multiples of 16 bytes: the launch asks for that, and takes the
kernel as it was where it does not hold.
"""

import ast
import copy
import textwrap
from typing import Any

from harness.proposers.edits import Edit, apply
from harness.proposers.module import Launch, Module, NotRecognised, arguments_of, is_tl
from harness.proposers.ordering import axes_of
from harness.proposers.tiles import Matrix, Tiles

DESCRIPTORS = "TENSOR_DESCRIPTORS"
GROUP = 8  # rows of tiles that programs walk together, for the L2 cache

_TAKEN = ("tile", "tile_m", "tile_n", "tiles_m", "tiles_n", "programs", "scratch")
_SCRATCH = '''\
def scratch(size, alignment, stream):
    """Where Triton keeps tensor descriptors."""
    return torch.empty(size, device="cuda", dtype=torch.int8)


'''


def by_descriptors(source: str, kernel: str) -> str:
    """The source with a sibling of the kernel that works by descriptors, launched wherever the sizes allow it.

    Raises:
        NotRecognised: the kernel or its launch is not of the form that is understood.
        candidates.syntax.Unparsed: the source is no Python module.
    """
    module = Module(source)
    function, launches = module.sole(kernel)
    sibling = f"{kernel}_by_descriptors"
    if len(launches) != 1 or not module.is_free(sibling, *_TAKEN) or not _is_plain(module, function):
        raise NotRecognised
    written = _Sibling(module, function)
    start = module.layout.offset(function.decorator_list[0].lineno, 0)
    end = module.layout.offset(function.end_lineno or 0, function.end_col_offset or 0)
    above = f"# {kernel} by tensor descriptors: each program takes tile after tile.\n@triton.jit\n"
    return apply(
        source,
        [
            Edit(start, start, _SCRATCH),
            Edit(end, end, f"\n\n\n{above}{written.text(sibling)}"),
            _launch_edit(module, function, launches[0], sibling, list(written.matrices.values())),
        ],
    )


def _is_plain(module: Module, function: ast.FunctionDef) -> bool:
    """True for a kernel at the top of a module that imports torch, with no other decorator than triton.jit."""
    imports = [alias for node in module.tree.body if isinstance(node, ast.Import) for alias in node.names]
    arguments = function.args
    return (
        any((alias.name, alias.asname) == ("torch", None) for alias in imports)
        and bool(arguments.args)
        and function in module.tree.body
        and [ast.unparse(each) for each in function.decorator_list] == ["triton.jit"]
        and not (arguments.defaults or arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg)
    )


class _Sibling:
    """One kernel rewritten; `matrices` are what it addresses by descriptors, by their pointers."""

    def __init__(self, module: Module, function: ast.FunctionDef) -> None:
        axes_of(function)
        if not any(is_tl(node, "dot") for node in ast.walk(function)):
            raise NotRecognised
        self.matrices: dict[str, Matrix] = {}
        layout, first, last = module.layout, function.args.args[0], function.args.args[-1]
        self._arguments = layout.text(
            layout.offset(first.lineno, first.col_offset), layout.offset(last.end_lineno or 0, last.end_col_offset or 0)
        )
        tiles = Tiles(module, function)
        replaced: dict[ast.AST, ast.expr] = {}
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and is_tl(call, "load", "store"):
                text = self._access(call, tiles)
                if text:
                    replaced[call] = ast.parse(text, mode="eval").body
        copies: dict[int, ast.AST] = {}
        body = copy.deepcopy([each for each in function.body if not _is_text(each)], copies)
        replacing = _Replacing({copies[id(node)]: new for node, new in replaced.items() if id(node) in copies})
        self._body = [replacing.visit(statement) for statement in body]
        _drop_unused(self._body)
        if not self.matrices:
            raise NotRecognised

    def text(self, name: str) -> str:
        """The function's source, without decorator."""
        listed = f"{self._arguments}, tiles_m, tiles_n"
        if "\n" in self._arguments:
            listed = f"\n    {self._arguments},\n    tiles_m,\n    tiles_n,\n"
        lines = [f"def {name}({listed}):"]
        lines += [f"    {_tiles(matrix.base)} = {_descriptor(matrix)}" for matrix in self.matrices.values()]
        lines += [
            "    for tile in tl.range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0), flatten=True):",
            f"        tile_m, tile_n = tl.swizzle2d(tile // tiles_n, tile % tiles_n, tiles_m, tiles_n, {GROUP})",
        ]
        text = "\n".join(ast.unparse(ast.fix_missing_locations(each)) for each in self._body)
        return "\n".join([*lines, textwrap.indent(text, " " * 8)])

    def _access(self, call: ast.Call, tiles: Tiles) -> str:
        """What a load or store is by a descriptor; empty for one that is no tile."""
        stores = is_tl(call, "store")
        given = arguments_of(call, *(("pointer", "value", "mask") if stores else ("pointer", "mask", "other")))
        tile = tiles.of(given["pointer"], given.get("mask"))
        if tile is None:
            return ""
        other = given.get("other")
        if other is not None and not (isinstance(other, ast.Constant) and other.value == 0):
            raise NotRecognised  # a descriptor reads zeros behind the edge
        matrix = tile.matrix
        if self.matrices.setdefault(matrix.base, matrix) != matrix or (stores and tile.turned):
            raise NotRecognised
        at = f"[{', '.join(tile.begins)}]"
        if stores:
            value = f"({ast.unparse(given['value'])}).to({matrix.base}.dtype.element_ty)"
            return f"{_tiles(matrix.base)}.store({at}, {value})"
        return f"{_tiles(matrix.base)}.load({at})" + (".T" if tile.turned else "")


class _Replacing(ast.NodeTransformer):
    """Puts other expressions in place of nodes, and the tile's number in place of the program's."""

    def __init__(self, replaced: dict[ast.AST, ast.expr]) -> None:
        self._replaced = replaced

    def visit(self, node: ast.AST) -> Any:
        node = self._replaced.get(node, node)
        if is_tl(node, "program_id"):
            return ast.Name("tile_m" if "0" in ast.unparse(node) else "tile_n", ast.Load())
        return self.generic_visit(node)


def _descriptor(matrix: Matrix) -> str:
    shape, sizes = ", ".join(matrix.bounds), ", ".join(matrix.sizes)
    return f"tl.make_tensor_descriptor({matrix.base}, [{shape}], [{matrix.stride}, 1], [{sizes}])"


def _tiles(base: str) -> str:
    return f"{base.removesuffix('_ptr')}_tiles"


def _launch_edit(
    module: Module, function: ast.FunctionDef, launch: Launch, sibling: str, matrices: list[Matrix]
) -> Edit:
    """The launch of the sibling where every row begins at a multiple of 16 bytes, else the launch that was there."""
    statement = module.names.enclosing(launch.call, (ast.Expr,))
    grid = module.names.value(launch.grid)
    if not isinstance(statement, ast.Expr) or statement.value is not launch.call or not isinstance(grid, ast.Tuple):
        raise NotRecognised
    if len(grid.elts) != 2 or any(isinstance(each, ast.Starred) for each in grid.elts):
        raise NotRecognised
    layout, call = module.layout, launch.call
    start, end = layout.span(call)
    indent = layout.indentation(start)
    at, before, behind = layout.argument_place(call)
    given = layout.text(layout.span(call.func)[1], at) + f"{before}tiles_m=tiles_m, tiles_n=tiles_n{behind}"
    tensors = [_given(module, launch, function, matrix.base) for matrix in matrices]
    rows = [_given(module, launch, function, matrix.stride) for matrix in matrices]
    fits = [f"{row} * {tensor}.element_size() % 16 == 0" for row, tensor in zip(rows, tensors, strict=True)]
    lines = [
        f"if {' and '.join(dict.fromkeys(fits))}:",
        "    triton.set_allocator(scratch)",
        f"    tiles_m, tiles_n = {module.text(launch.grid)}",
        f"    programs = torch.cuda.get_device_properties({tensors[0]}.device).multi_processor_count",
        f"    {sibling}[(min(programs, tiles_m * tiles_n),)]{_deeper(given + layout.text(at, end))}",
        "else:",
        f"    {_deeper(layout.text(start, end))}",
    ]
    return Edit(start, end, f"\n{indent}".join(lines))


def _given(module: Module, launch: Launch, function: ast.FunctionDef, parameter: str) -> str:
    """What a launch gives a parameter, an expression that can be written down a second time."""
    node, _ = module.given(launch, parameter, function)
    if node is None or not module.is_pure(node):
        raise NotRecognised
    return module.text(node) if isinstance(node, ast.Name | ast.Attribute | ast.Constant) else f"({module.text(node)})"


def _deeper(text: str) -> str:
    return text.replace("\n", "\n    ")


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _drop_unused(body: list[ast.stmt]) -> None:
    """Take out assignments to names that nothing reads any more."""
    while True:
        read = {
            node.id
            for statement in body
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
        if not _dropped(body, read):
            return


def _dropped(body: list[ast.stmt], read: set[str]) -> bool:
    """True if something was taken out."""
    kept = [each for each in body if not _is_unread(each, read)]
    found = len(kept) < len(body)
    body[:] = kept
    return any([found, *(_dropped(each.body, read) for each in body if isinstance(each, ast.For))])


def _is_unread(statement: ast.stmt, read: set[str]) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name not in read
    return False
