"""Another order of the same tiles: programs that run together share what they load from the L2 cache.

A kernel that multiplies matrices on a grid of two axes is rewritten to walk the tiles in groups of GROUP_M along the
first axis. Nothing but the numbers of the programs is permuted, so every tile is still computed once.
"""

import ast

from harness.proposers.edits import Edit, apply
from harness.proposers.module import Launch, Module, NotRecognised, is_tl

GROUP = "GROUP_M"
_NEW = ("launched", "tile_m", "tile_n")


def grouped(source: str, kernel: str, group: int) -> str:
    """The source with a kernel's tiles in groups of `group` of the first axis.

    Raises:
        NotRecognised: the kernel or one of its launches is not of the form that is understood.
        candidates.syntax.Unparsed: the source is no Python module.
    """
    module = Module(source)
    function, launches = module.sole(kernel)
    arguments = function.args
    if not module.is_free(GROUP, *_NEW) or arguments.defaults or arguments.kwonlyargs or arguments.vararg:
        raise NotRecognised
    if not any(is_tl(node, "dot") for node in ast.walk(function)):
        raise NotRecognised
    first, second = axes_of(function)
    last = arguments.args[-1]
    end = module.layout.offset(last.end_lineno or 0, last.end_col_offset or 0)
    edits = [
        Edit(end, end, f", {GROUP}: tl.constexpr"),
        Edit(*module.layout.span(first), "tile_m"),
        Edit(*module.layout.span(second), "tile_n"),
        _numbering(module, function),
    ]
    for launch in launches:
        _require_two_axes(module, launch)
        at, before, behind = module.layout.argument_place(launch.call)
        edits.append(Edit(at, at, f"{before}{GROUP}={group}{behind}"))
    return apply(source, edits)


def axes_of(function: ast.FunctionDef) -> tuple[ast.expr, ast.expr]:
    """The two calls of tl.program_id; there is no third, and nothing else asks where a program is."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and is_tl(node, "program_id")]
    if any(is_tl(node, "num_programs", "swizzle2d") for node in ast.walk(function)) or len(calls) != 2:
        raise NotRecognised
    found = {}
    for call in calls:
        match call:
            case (
                ast.Call(args=[ast.Constant(value=axis)], keywords=[])
                | ast.Call(args=[], keywords=[ast.keyword(arg="axis", value=ast.Constant(value=axis))])
            ):
                found[axis] = call
    if found.keys() != {0, 1}:
        raise NotRecognised
    return found[0], found[1]


def _numbering(module: Module, function: ast.FunctionDef) -> Edit:
    """Statements at the beginning of a kernel that renumber its programs; they are launched along axis 0 first."""
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(function.body) > 1:
        first = function.body[1]  # behind the docstring
    if first.lineno == function.lineno:
        raise NotRecognised
    start = module.layout.offset(first.lineno, first.col_offset)
    indent = module.layout.indentation(start)
    lines = (
        "# Programs that run together share rows and columns of tiles: these are numbered in groups.",
        "launched = tl.program_id(0) + tl.program_id(1) * tl.num_programs(0)",
        "tile_m, tile_n = tl.swizzle2d(",
        "    launched // tl.num_programs(1),",
        "    launched % tl.num_programs(1),",
        "    tl.num_programs(0),",
        "    tl.num_programs(1),",
        f"    {GROUP},",
        ")",
    )
    return Edit(start, start, "".join(f"{line}\n{indent}" for line in lines))


def _require_two_axes(module: Module, launch: Launch) -> None:
    grid = module.names.value(launch.grid)
    body = grid.body if isinstance(grid, ast.Lambda) else grid
    if not isinstance(body, ast.Tuple) or len(body.elts) != 2 or any(isinstance(e, ast.Starred) for e in body.elts):
        raise NotRecognised
