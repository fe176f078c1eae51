"""Reading a module that Inductor generated: its kernels, and the statements of its `call`."""

import ast
import re
from dataclasses import dataclass

from candidates.inductor.merging import Unrewritable

_HEURISTICS = ("pointwise", "reduction", "persistent_reduction")
_OF_MASKS = ("tl.full", "tl.where", "tl.broadcast_to")
_FUNCTION = re.compile(r"(?!tmp\d)[\w.]+")  # not a method of a value, whose number shifts with the masks before it
_GRIDS = ("Grid1D", "Grid2D", "Grid3D", "Grid2DWithYZOverflow")


@dataclass(frozen=True)
class Kernel:
    """One Triton kernel, as generated."""

    name: str
    kind: str  # of the heuristics that choose its configuration
    grid: str  # how programs are laid out
    function: ast.FunctionDef

    @property
    def make(self) -> tuple[str, str, tuple[str, ...]]:
        """What stays the same from size to size, masks apart: kind, grid, and the functions it calls."""
        called = [ast.unparse(node.func) for node in ast.walk(self.function) if isinstance(node, ast.Call)]
        plain = [name if _FUNCTION.fullmatch(name) else name.rpartition(".")[2] for name in called]
        return self.kind, self.grid, tuple(sorted(name for name in plain if name not in _OF_MASKS))


@dataclass(frozen=True)
class Generated:
    """The parts of a generated module. `launches` are the kernels in the order of their launches in `call`, where the
    n-th is called `launch__n`: at some sizes equal kernels are one, at others two."""

    kernels: dict[str, Kernel]
    arguments: tuple[str, ...]
    call: list[ast.stmt]
    launches: tuple[str, ...]


def read(code: str) -> Generated:
    """Take a generated module to pieces.

    Raises:
        Unrewritable: it is not of the form that is known here.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise Unrewritable(f"what Inductor generated does not parse: {error.msg}") from error
    kernels: dict[str, Kernel] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("async_compile."):
            kernel = _kernel(node)
            if kernel:
                kernels[kernel.name] = kernel
    call = next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "call"), None)
    if call is None:
        raise Unrewritable("what Inductor generated has no function `call`")
    if not kernels:
        raise Unrewritable("Inductor generates no Triton kernel for this reference: torch's own kernels do all of it")
    statements = _flat(call.body)
    numbering = _Launches(kernels)
    statements = [numbering.visit(statement) for statement in statements]
    return Generated(kernels, _arguments(statements), statements, tuple(numbering.names))


def _kernel(node: ast.Call) -> Kernel | None:
    """The kernel of `async_compile.triton('name', '''source''', ...)`."""
    maker = ast.unparse(node.func).partition(".")[2]
    if maker == "wait":
        return None
    texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    if maker != "triton" or len(texts) < 2:
        raise Unrewritable(f"Inductor generates code by async_compile.{maker}, which is no Triton kernel")
    name, text = str(texts[0]), str(texts[1])
    for function in ast.parse(text).body:
        if isinstance(function, ast.FunctionDef) and function.name == name:
            heuristics = next((d for d in function.decorator_list if isinstance(d, ast.Call)), None)
            kind = ast.unparse(heuristics.func).rpartition(".")[2] if heuristics else ""
            grid = _grid(heuristics)
            if kind not in _HEURISTICS or grid not in _GRIDS:
                raise Unrewritable(
                    f"the kernel {name} is a {kind or 'kernel'} with {grid or 'no grid'}: not known here"
                )
            return Kernel(name, kind, grid, function)
    raise Unrewritable(f"the source of {name} does not define it")


def _grid(heuristics: ast.Call | None) -> str:
    meta = next((k.value for k in heuristics.keywords if k.arg == "inductor_meta"), None) if heuristics else None
    if isinstance(meta, ast.Dict):
        for key, value in zip(meta.keys, meta.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "grid_type" and isinstance(value, ast.Constant):
                return str(value.value)
    return ""


def _flat(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements, those under `with torch.cuda._DeviceGuard(0)` in their place."""
    found: list[ast.stmt] = []
    for statement in body:
        found += _flat(statement.body) if isinstance(statement, ast.With) else [statement]
    return found


def _arguments(statements: list[ast.stmt]) -> tuple[str, ...]:
    for statement in statements:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.value) == "args":
            return tuple(re.findall(r"\w+", ast.unparse(statement.targets[0])))
    raise Unrewritable("the generated `call` takes no arguments")


class _Launches(ast.NodeTransformer):
    """Numbers launches: `kernel.run(...)` becomes `launch__0.run(...)`."""

    def __init__(self, kernels: dict[str, Kernel]) -> None:
        self.names: list[str] = []
        self._kernels = kernels

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if node.attr == "run" and isinstance(node.value, ast.Name) and node.value.id in self._kernels:
            self.names.append(node.value.id)
            return ast.Attribute(ast.Name(f"launch__{len(self.names) - 1}", ast.Load()), "run", ast.Load())
        return self.generic_visit(node)
