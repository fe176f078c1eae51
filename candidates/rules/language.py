"""Rules about Triton's own names: what this version of `triton.language` and libdevice does not have."""

import ast
import difflib
from collections.abc import Iterator

from candidates.rules import tables
from candidates.rules.finding import Finding, Program, constant_text, line_of

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


def _remedy(program: Program, name: str, shown: str) -> str:
    in_libdevice = shown == "libdevice"
    if not in_libdevice and name in tables.INSTEAD:
        return tables.INSTEAD[name]
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
    """True inside a `try` that catches the failure, or under a test by `hasattr` or of the version."""
    inner = node
    while inner in program.parents:
        outer = program.parents[inner]
        if isinstance(outer, ast.Try) and inner in outer.body and _GUARDS & _caught(outer):
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
