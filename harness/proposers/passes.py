"""A row that is read once, where the code walks over it several times.

Loops `for start in range(0, width, BLOCK)` over one and the same row are made to run once, by a block that is the next
power of two of the width. The loads of the several walks are then the same loads, which the compiler makes one. That is
right because every load and store in the loops is masked by `start + columns < width`, whatever the block.
"""

import ast
from collections.abc import Iterator, Mapping

from harness.proposers.edits import Edit, apply
from harness.proposers.module import Launch, Module, NotRecognised, constants, is_tl
from harness.proposers.names import called_name

_MEMORY = ("load", "store")


def in_one_pass(source: str, kernel: str) -> str:
    """The source with whole rows held by a program of a kernel.

    Raises:
        NotRecognised: the kernel or one of its launches is not of the form that is understood.
        candidates.syntax.Unparsed: the source is no Python module.
    """
    module = Module(source)
    function, launches = module.sole(kernel)
    loops = _walks(function)
    width, block = _bounds(loops[0])
    if any(_bounds(loop) != (width, block) for loop in loops[1:]) or block not in constants(function):
        raise NotRecognised
    lanes = _lanes(function, block)
    for loop in loops:
        _require_whole_columns(loop, lanes)
        if not all(_is_masked(loop, call, width, lanes) for call in _accesses(loop)):
            raise NotRecognised
    _require_only_known_uses(function, loops, block)
    edits = [
        Edit(*module.layout.span(loop.iter), f"tl.static_range(0, {block}, {block})")  # one walk, unrolled
        for loop in loops
    ]
    for launch in launches:
        edits.append(_launch_edit(module, function, launch, width, block))
    return apply(source, edits)


def _walks(function: ast.FunctionDef) -> list[ast.For]:
    """The loops of a kernel: two at least, for a single walk reads everything once already, and none in another."""
    loops = [node for node in ast.walk(function) if isinstance(node, ast.For | ast.While)]
    outer = [statement for statement in function.body if isinstance(statement, ast.For)]
    if len(outer) < 2 or len(outer) != len(loops):
        raise NotRecognised
    return outer


def _bounds(loop: ast.For) -> tuple[str, str]:
    """The names of the width that a loop walks over, and of its block."""
    match loop:
        case ast.For(
            target=ast.Name(),
            iter=ast.Call(args=[ast.Constant(value=0), ast.Name(id=width), ast.Name(id=block)], keywords=[]) as called,
            orelse=[],
        ) if called_name(called) == "range":
            return width, block
    raise NotRecognised


def _accesses(scope: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Call) and is_tl(node, *_MEMORY):
            yield node


def _lanes(function: ast.FunctionDef, block: str) -> set[str]:
    """Names for the numbers 0 to block, in one line or as a line of a block."""
    found = set()
    for statement in function.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_lane(value, block):
                found.add(name)
    return found


def _is_lane(node: ast.expr, block: str) -> bool:
    match node:
        case ast.Subscript(value=inner):
            return _is_lane(inner, block)
        case ast.Call(args=[ast.Constant(value=0), ast.Name(id=size)], keywords=[]):
            return is_tl(node, "arange") and size == block
    return False


def _require_whole_columns(loop: ast.For, lanes: set[str]) -> None:
    """Refuse a loop that knows its blocks apart: it may use the sum of start and lane, a column, but neither alone."""
    start = _start(loop)
    left = [node for node in ast.walk(loop) if isinstance(node, ast.Name) and node.id in {start, *lanes}]
    left = [node for node in left if node is not loop.target]
    for node in ast.walk(loop):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            terms = [term for term in _terms(node) if isinstance(term, ast.Name) and term in left]
            starts = [term for term in terms if term.id == start]
            if len(starts) == 1 and len(terms) == 2:
                left = [name for name in left if name not in terms]
    if left:
        raise NotRecognised


def _terms(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _terms(node.left)
        yield from _terms(node.right)
    else:
        yield node


def _start(loop: ast.For) -> str:
    assert isinstance(loop.target, ast.Name)
    return loop.target.id


def _is_masked(loop: ast.For, call: ast.Call, width: str, lanes: set[str]) -> bool:
    """True if the call's mask holds back the columns that lie behind the width."""
    mask = next((keyword.value for keyword in call.keywords if keyword.arg == "mask"), None)
    if mask is None:
        return False
    bound = {
        statement.targets[0].id: statement.value
        for statement in loop.body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    parts = [bound.get(part.id, part) if isinstance(part, ast.Name) else part for part in _conjuncts(mask)]
    if len(bound) < sum(isinstance(statement, ast.Assign) for statement in loop.body):
        return False  # a name is bound twice
    return any(_bounds_columns(part, bound, width, {_start(loop), *lanes}) for part in parts)


def _conjuncts(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    else:
        yield node


def _bounds_columns(node: ast.expr, bound: Mapping[str, ast.expr], width: str, sum_: set[str]) -> bool:
    """True for `start + columns < width`, also where the sum has a name."""
    match node:
        case ast.Compare(left=left, ops=[ast.Lt()], comparators=[ast.Name(id=limit)]) if limit == width:
            whole = bound.get(left.id, left) if isinstance(left, ast.Name) else left
            named = [term.id for term in _terms(whole) if isinstance(term, ast.Name)]
            return len(named) == len(list(_terms(whole))) == 2 and set(named) <= sum_
    return False


def _require_only_known_uses(function: ast.FunctionDef, loops: list[ast.For], block: str) -> None:
    """Refuse a block that means more than how much of a row is held: an offset, or memory reached outside the loops."""
    shapes = [
        element
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        for element in (
            node.args[1:2]
            if is_tl(node, "arange")
            else node.args[0].elts
            if is_tl(node, "zeros", "full") and node.args and isinstance(node.args[0], ast.List | ast.Tuple)
            else []
        )
    ]
    steps = [loop.iter.args[2] for loop in loops if isinstance(loop.iter, ast.Call)]
    uses = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == block]
    if any(node not in shapes and node not in steps for node in uses):
        raise NotRecognised
    within = {call for loop in loops for call in _accesses(loop)}
    wide = _depending_on(function, block)
    for call in _accesses(function):
        if call not in within and any(isinstance(n, ast.Name) and n.id in wide for n in ast.walk(call.args[0])):
            raise NotRecognised


def _depending_on(function: ast.FunctionDef, name: str) -> set[str]:
    """Names whose values come from a name, and the name itself."""
    found = {name}
    while True:
        more = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign | ast.AugAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
            and any(isinstance(part, ast.Name) and part.id in found for part in ast.walk(node.value))
        }
        if more <= found:
            return found
        found |= more


def _launch_edit(module: Module, function: ast.FunctionDef, launch: Launch, width: str, block: str) -> Edit:
    """Gives the block the next power of two of what the launch gives the width."""
    size, _ = module.given(launch, width, function)
    given, _ = module.given(launch, block, function)
    inside = list(ast.walk(launch.call))
    if size is None or given is None or size not in inside or given not in inside or not module.is_pure(size):
        raise NotRecognised
    literal = module.names.integer(given)
    if literal is None:
        raise NotRecognised
    reached = list(module.names.reachable(launch.grid))
    if any(isinstance(node, ast.Constant) and node.value == literal.value for node in reached):
        raise NotRecognised  # the grid may count blocks
    if any(isinstance(node, ast.Constant) and node.value == block for node in reached):
        raise NotRecognised  # as it does by meta["BLOCK"]
    return Edit(*module.layout.span(given), f"triton.next_power_of_2({module.text(size)})")
