"""Rules about Triton's own names: what this version of `triton.language` and libdevice does not have, and options."""

import ast
import difflib
from collections.abc import Iterator

from candidates.rules.finding import Finding, Program, constant_text, line_of
from evaluator.inside.launch_options import REFUSED

_TL = "triton.language."
_LIBDEVICE = ("triton.language.extra.libdevice.", "triton.language.extra.cuda.libdevice.")
_SUBMODULES = frozenset({"extra", "core", "standard", "random", "math"})
_GUARDS = frozenset({"AttributeError", "ImportError", "Exception", "BaseException", "ModuleNotFoundError"})


def names(program: Program) -> Iterator[Finding]:
    """Every `tl.x` and `libdevice.x` exists in the installed Triton, unless the code itself asks first."""
    for node, path in program.references:
        prefix = next((prefix for prefix in _LIBDEVICE if path.startswith(prefix)), "")
        if prefix:
            known, name, shown = program.api.libdevice, path.removeprefix(prefix), "libdevice"
        elif path.startswith(_TL):
            known, name, shown = program.api.language, path.removeprefix(_TL), "tl"
            if name.startswith("math."):
                name, shown = name.removeprefix("math."), "tl.math"
        else:
            continue
        if not known or "." in name or name in known or (shown != "libdevice" and name in _SUBMODULES):
            continue
        if not name.startswith("__") and not _is_guarded(program, node, name):
            version = program.api.version
            yield Finding(
                rule="unknown-name",
                line=line_of(node),
                remedy=_remedy(program, name, shown),
                message=f"Triton {version} has no `{shown}.{name}`.",
            )


def options(program: Program) -> Iterator[Finding]:
    """No launch option that workers refuse, as a keyword or as a name in a configuration."""
    for node in program.nodes:
        name = node.arg if isinstance(node, ast.keyword) else constant_text(node)
        if name in REFUSED:
            yield Finding(
                rule="launch-option",
                line=line_of(node),
                message=f"The launch option `{name}` is not allowed.",
                remedy=REFUSED[name],
            )


def _remedy(program: Program, name: str, shown: str) -> str:
    in_libdevice = shown == "libdevice"
    if not in_libdevice and name in INSTEAD:
        return INSTEAD[name]
    if not in_libdevice and name in program.api.libdevice:
        return f"Use libdevice.{name} (from triton.language.extra import libdevice)."
    if in_libdevice and name in program.api.language:
        return f"Use tl.{name}."
    known, prefix = (program.api.libdevice, "libdevice") if in_libdevice else (program.api.language, "tl")
    near = difflib.get_close_matches(name, sorted(known), n=2, cutoff=0.75)
    if near:
        return "Did you mean " + " or ".join(f"{prefix}.{other}" for other in near) + "?"
    return f"Write it out with what {prefix} has."


def _is_guarded(program: Program, node: ast.AST, name: str) -> bool:
    """True inside a `try` that catches the failure or in what stands in for it, or under a test by `hasattr` or of the
    version.
    """
    inner = node
    while inner in program.parents:
        outer = program.parents[inner]
        if isinstance(outer, ast.Try) and (inner in outer.body or inner in outer.handlers) and _GUARDS & _caught(outer):
            return True
        if isinstance(outer, ast.If | ast.IfExp) and inner is not outer.test and _asks(outer.test, name):
            return True
        inner = outer
    return False


def _caught(statement: ast.Try) -> set[str]:
    kinds = [handler.type for handler in statement.handlers]
    if None in kinds:
        return {"BaseException"}
    return {node.id for kind in kinds if kind for node in ast.walk(kind) if isinstance(node, ast.Name)}


def _asks(test: ast.expr, name: str) -> bool:
    return any(
        constant_text(node) == name or (isinstance(node, ast.Attribute) and node.attr == "__version__")
        for node in ast.walk(test)
    )


INSTEAD: dict[str, str] = {
    "tanh": "Use libdevice.tanh (from triton.language.extra import libdevice), or 2 * tl.sigmoid(2 * x) - 1.",
    "gelu": "Write it out: 0.5 * x * (1 + tl.erf(x * 0.7071067811865476)).",
    "silu": "Write it out: x * tl.sigmoid(x).",
    "swish": "Write it out: x * tl.sigmoid(x).",
    "mish": "Write it out with libdevice.tanh and libdevice.log1p: x * libdevice.tanh(libdevice.log1p(tl.exp(x))).",
    "relu": "Write it out: tl.maximum(x, 0.0).",
    "sigmoid": "Write it out: 1 / (1 + tl.exp(-x)).",
    "softplus": "Write it out with libdevice.log1p: tl.maximum(x, 0.0) + libdevice.log1p(tl.exp(-tl.abs(x))).",
    "softmax": "Write it out: subtract tl.max, take tl.exp, divide by tl.sum.",
    "pow": "Use libdevice.pow (from triton.language.extra import libdevice), or x * x for a square.",
    "square": "Write x * x.",
    "mean": "Write tl.sum(x, axis) / n.",
    "var": "Write it out: the mean of the squared differences from the mean.",
    "matmul": "Use tl.dot on two-dimensional blocks.",
    "any": "Use tl.max on the condition as integers.",
    "all": "Use tl.min on the condition as integers.",
    "isnan": "Write x != x, or use libdevice.isnan.",
    "log1p": "Use libdevice.log1p (from triton.language.extra import libdevice).",
    "expm1": "Use libdevice.expm1 (from triton.language.extra import libdevice).",
    "round": "Use libdevice.rint (from triton.language.extra import libdevice).",
    "concatenate": "Use tl.join or tl.cat.",
    "sync_threads": "Use tl.debug_barrier; Triton places the barriers that a kernel needs itself.",
    "syncthreads": "Use tl.debug_barrier; Triton places the barriers that a kernel needs itself.",
    "shared_memory": "Triton manages shared memory itself; use tl.load and tl.dot.",
}
"""What to write for a name that people expect in triton.language and that is not there."""
