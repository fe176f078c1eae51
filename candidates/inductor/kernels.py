"""One generated kernel as a readable @triton.jit function: names, masks, sizes as compile-time parameters."""

import ast
import copy
import re
from dataclasses import dataclass, field

from candidates.inductor import cleaning, helpers
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
    plain = re.sub(r"_*\d+$", "", plain).replace("native_", "").replace("_prepare_softmax_online", "")
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
    cleaning.Tidying().visit(function)
    cleaning.fold_scalars(function)
    cleaning.propagate_copies(function)
    cleaning.drop_unused(function)
    names = dict(zip(generated, pointers, strict=True)) | result.sizes | result.blocks
    names |= _name_holes(function, holes, known, result)
    cleaning.Renaming(names).visit(function)
    cleaning.number_temporaries(function)
    function.name = name
    function.decorator_list = [ast.parse("triton.jit", mode="eval").body]
    function.args = _parameters(result)
    result.function = ast.fix_missing_locations(function)
    return result


def _take_constants(function: ast.FunctionDef, result: Rewritten, holes: Holes) -> dict[str, ast.expr]:
    """Take out `xnumel = 4096` and `R0_BLOCK: tl.constexpr = 64`; returns the sizes."""
    known: dict[str, ast.expr] = {}
    body: list[ast.stmt] = []
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
        self._result.needs |= {word for word in (first, *others) if word in (*helpers.SOURCES, "libdevice")}
        if name.startswith("online_softmax"):
            *node.args, fast = node.args
            if ast.unparse(fast) != "False":
                raise Unrewritable(f"the kernel {self._kernel.name} computes exponentials by fast mathematics")
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


def _call(name: str, arguments: list[ast.expr]) -> ast.Call:
    return ast.Call(ast.parse(name, mode="eval").body, arguments, [])
