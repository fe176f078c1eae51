"""One generated kernel as a readable @triton.jit function: names, masks, sizes as compile-time parameters."""

import ast
import copy
import re
from collections import Counter
from dataclasses import dataclass, field

from candidates.inductor import helpers
from candidates.inductor.generated import Kernel
from candidates.inductor.merging import Holes, Unrewritable, Values

_SIZES = {"xnumel": "x", "ynumel": "y", "znumel": "z", "r0_numel": "r0", "r1_numel": "r1", "rnumel": "r0"}
_BLOCKS = {"XBLOCK": "BLOCK_X", "YBLOCK": "BLOCK_Y", "ZBLOCK": "BLOCK_Z", "R0_BLOCK": "BLOCK_R", "R1_BLOCK": "BLOCK_R1"}
_REDUCTION_SIZES = {"x": "rows", "y": "groups", "z": "batches", "r0": "columns", "r1": "planes"}
_POINTWISE_SIZES = {"x": "elements", "y": "rows", "z": "batches"}
_MASK = re.compile(r"([xyz]|r\d_)mask")


@dataclass
class Rewritten:
    """A kernel as it stands in the candidate.

    `pointers`, `sizes` and `blocks` are its parameters in order: sizes by the names in the generated code, blocks by
    those of the configuration. `extra` are further sizes, with the values that they take.
    """

    name: str
    function: ast.FunctionDef
    pointers: list[str]
    sizes: dict[str, str]
    blocks: dict[str, str]
    extra: dict[str, Values] = field(default_factory=dict)
    fixed: dict[str, int] = field(default_factory=dict)  # blocks that no configuration chooses, and their sizes
    needs: set[str] = field(default_factory=set)  # helpers, and "libdevice"


def readable(name: str) -> str:
    """`triton_per_fused_gelu_mul_native_layer_norm_0` without what says nothing."""
    plain = re.sub(r"^triton_[a-z]+_fused_*", "", name)
    plain = re.sub(r"_*\d+$", "", plain).replace("native_", "")
    return f"{plain or 'fused'}_kernel"


def rewrite(kernel: Kernel, merged: ast.FunctionDef, holes: Holes, name: str, pointers: list[str]) -> Rewritten:
    """Clean a kernel whose sizes are named.

    Args:
        merged: its function, merged from several sizes.
        name: what it is called in the candidate.
        pointers: names for its pointer parameters, in order.

    Raises:
        Unrewritable: it does something that is not known here.
    """
    function = copy.deepcopy(merged)
    given = [argument.arg for argument in function.args.args]
    generated = [argument for argument in given if argument not in _SIZES and argument not in _BLOCKS]
    if len(generated) != len(pointers):
        raise Unrewritable(f"the kernel {kernel.name} takes {', '.join(generated)}, and is launched otherwise")
    words = _POINTWISE_SIZES if kernel.kind == "pointwise" else _REDUCTION_SIZES
    result = Rewritten(
        name=name,
        function=function,
        pointers=pointers,
        sizes={argument: words[_SIZES[argument]] for argument in given if argument in _SIZES},
        blocks={argument: _BLOCKS[argument] for argument in given if argument in _BLOCKS},
    )
    known = _take_constants(function, result, holes)
    _Calls(result, kernel).visit(function)
    _Masks(result, known).visit(function)
    _fold_scalars(function, holes)
    _propagate_copies(function)
    _drop_unused(function)
    names = dict(zip(generated, pointers, strict=True)) | result.sizes | result.blocks
    names |= _name_holes(function, holes, known, result)
    _Renaming(names).visit(function)
    _number_temporaries(function)
    function.name = name
    function.decorator_list = [ast.parse("triton.jit", mode="eval").body]
    function.args = _parameters(result)
    result.function = ast.fix_missing_locations(function)
    return result


def _take_constants(function: ast.FunctionDef, result: Rewritten, holes: Holes) -> dict[str, ast.expr]:
    """Take out `xnumel = 4096` and `R0_BLOCK: tl.constexpr = 64`; returns the sizes."""
    known: dict[str, ast.expr] = {}
    body = []
    for statement in function.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) in result.sizes:
            known[ast.unparse(statement.targets[0])] = statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            target = statement.target.id
            if isinstance(statement.value, ast.Name):  # RBLOCK: tl.constexpr = R0_BLOCK
                body.append(ast.Assign([ast.Name(target, ast.Store())], statement.value))
                continue
            if target not in _BLOCKS:
                raise Unrewritable(f"a kernel has the constant {target}, which is not known here")
            result.blocks[target] = _BLOCKS[target]
            result.fixed[target] = ast.literal_eval(statement.value) if statement.value else 0
        else:
            body.append(statement)
    function.body = body
    return known


def _parameters(result: Rewritten) -> ast.arguments:
    constant = ast.parse("tl.constexpr", mode="eval").body
    names = [*result.sizes.values(), *result.extra, *result.blocks.values()]
    found = [ast.arg(pointer) for pointer in result.pointers] + [ast.arg(name, constant) for name in names]
    return ast.arguments(posonlyargs=[], args=found, kwonlyargs=[], kw_defaults=[], defaults=[])


class _Calls(ast.NodeTransformer):
    """Calls of Inductor's own helpers as calls of ours or of Triton's; assertions go."""

    def __init__(self, result: Rewritten, kernel: Kernel) -> None:
        self._result = result
        self._kernel = kernel

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "tl.device_assert":
            return None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        module, _, name = ast.unparse(node.func).rpartition(".")
        if module == "libdevice":
            self._result.needs.add("libdevice")
        elif module == "tl_math":
            if name not in helpers.LANGUAGE_MATH:
                raise Unrewritable(f"the kernel {self._kernel.name} calls {name}, which triton.language lacks")
            node.func = ast.parse(f"tl.{name}", mode="eval").body
        elif module == "triton_helpers":
            return self._helper(node, name)
        return node

    def _helper(self, node: ast.Call, name: str) -> ast.AST:
        if name == "promote_to_tensor":
            return node.args[0]
        if name not in helpers.CALLS:
            raise Unrewritable(
                f"the kernel {self._kernel.name} calls triton_helpers.{name}, for which there is no form"
            )
        first, *others = helpers.CALLS[name]
        self._result.needs |= {word for word in (first, *others) if word in helpers.SOURCES}
        if first == "reduced":
            return _call("tl.reduce", [*node.args, ast.Name(others[0], ast.Load())])
        if first == "welford_reduced":
            *parts, axis = node.args
            return _call("tl.reduce", [ast.Tuple(parts, ast.Load()), axis, ast.Name(others[0], ast.Load())])
        return _call(first, node.args[:4] if first == "welford_step" else node.args)


class _Masks(ast.NodeTransformer):
    """`xmask = xindex < xnumel` as our `within`, which knows when a mask is needless."""

    def __init__(self, result: Rewritten, known: dict[str, ast.expr]) -> None:
        self._result = result
        self._known = known

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        target = node.targets[0]
        match = _MASK.fullmatch(target.id) if isinstance(target, ast.Name) else None
        if match is None:
            return node
        size = f"{match.group(1)}numel"
        block = f"{match.group(1).upper()}BLOCK"
        value = node.value
        if isinstance(value, ast.Compare) and isinstance(value.ops[0], ast.Lt):
            self._result.needs.add(helpers.WITHIN)
            arguments: list[ast.expr] = [value.left, ast.Name(size, ast.Load()), ast.Name(block, ast.Load())]
            return ast.Assign(node.targets, _call(helpers.WITHIN, arguments))
        if self._result.fixed.get(block) != 1 and not isinstance(self._known.get(size), ast.Constant):
            raise Unrewritable(f"Inductor leaves a mask away that other sizes need ({ast.unparse(node)})")
        return node


def _name_holes(
    function: ast.FunctionDef, holes: Holes, known: dict[str, ast.expr], result: Rewritten
) -> dict[str, str]:
    """A parameter for each size in the body: those of the grid by their names, the others as `extra`."""
    own = {value.id: result.sizes[size] for size, value in known.items() if isinstance(value, ast.Name)}
    names: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id in holes.values and node.id not in names:
            names[node.id] = own.get(node.id) or f"size_{len(result.extra)}"
            if node.id not in own:
                result.extra[names[node.id]] = holes.values[node.id]
    return names


def _fold_scalars(function: ast.FunctionDef, holes: Holes) -> None:
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
    cast = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "to"
    if cast and ast.unparse(value.args[0]) == "tl.float32":  # type: ignore[union-attr, attr-defined]
        return _full(value.func.value, ("tl.int32", "tl.int64", "tl.float32"))  # type: ignore[union-attr, attr-defined]
    return _full(value, ("tl.float32",))


def _full(value: ast.expr, dtypes: tuple[str, ...]) -> ast.expr | None:
    if not (isinstance(value, ast.Call) and ast.unparse(value.func) == "tl.full" and len(value.args) == 3):
        return None
    shape, number, dtype = value.args
    if not re.fullmatch(r"\[1(, 1)*\]", ast.unparse(shape)) or ast.unparse(dtype) not in dtypes:
        return None
    return number if isinstance(number, ast.Constant | ast.Name | ast.UnaryOp) else None


def _propagate_copies(function: ast.FunctionDef) -> None:
    """Use `xindex` for the `x0` that is only another name for it."""
    values: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values.setdefault(node.targets[0].id, set()).add(ast.unparse(node.value))
        elif isinstance(node, ast.For | ast.AugAssign) and isinstance(node.target, ast.Name):
            values.setdefault(node.target.id, set()).add("")
    kept = re.compile(r"_?tmp\w*")
    copies = {
        name: next(iter(found))
        for name, found in values.items()
        if len(found) == 1 and next(iter(found)).isidentifier() and not kept.fullmatch(name)
    }
    for name in copies:
        while copies[name] in copies:
            copies[name] = copies[copies[name]]
    _Renaming(copies, stores=False).visit(function)


def _drop_unused(function: ast.FunctionDef) -> None:
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


class _Renaming(ast.NodeTransformer):
    def __init__(self, names: dict[str, str], stores: bool = True) -> None:
        self._names = names
        self._stores = stores

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._names and (self._stores or isinstance(node.ctx, ast.Load)):
            return ast.Name(self._names[node.id], node.ctx)
        return node


def _number_temporaries(function: ast.FunctionDef) -> None:
    """Number what is left of tmp0, tmp1, ... without gaps; `_tmp3`, which a loop adds up, becomes `running3`."""
    names: dict[str, str] = {}
    for node in ast.walk(_in_order(function)):
        if isinstance(node, ast.Name) and (match := re.fullmatch(r"(_?)tmp(\d+)(\w*)", node.id)):
            number = len({name for name in names.values() if name.startswith("running" if match[1] else "v")})
            names.setdefault(node.id, f"{'running' if match[1] else 'v'}{number}")
    _Renaming(names).visit(function)


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


def _call(name: str, arguments: list[ast.expr]) -> ast.Call:
    return ast.Call(ast.parse(name, mode="eval").body, arguments, [])
