"""Rules about shape: what the module must define, in which order, and what it must leave out."""

import ast
from collections.abc import Iterator

from candidates.rules import tables
from candidates.rules.finding import Finding, Program, called, is_builtin, line_of
from candidates.scopes import undefined

_MODULE = "torch.nn.Module"
_COLLECTING = frozenset({"append", "extend", "update", "add", "setdefault", "insert"})


def model(program: Program) -> Iterator[Finding]:
    """A class ModelNew(nn.Module) with a forward of its own or from a base in the same file."""
    classes = _classes(program)
    found = classes.get("ModelNew")
    if found is None:
        yield Finding(
            rule="model",
            line=0,
            message="The module does not define class ModelNew.",
            remedy="Define class ModelNew(nn.Module) with the arguments of the reference's Model.",
        )
        return
    family = _family(found, classes)
    if not any(_MODULE in program.scopes.paths(base) for member in family for base in member.bases):
        yield Finding(
            rule="model",
            line=found.lineno,
            message="ModelNew is not a torch.nn.Module.",
            remedy="Write class ModelNew(nn.Module).",
        )
    if not any(_defines(member, "forward") for member in family):
        yield Finding(
            rule="model",
            line=found.lineno,
            message="ModelNew has no method forward.",
            remedy="Define forward with the arguments of the reference's forward.",
        )


def kernels(program: Program) -> Iterator[Finding]:
    """At least one Triton kernel, and one of them in use."""
    if not program.kernels:
        yield Finding(
            rule="kernel",
            line=0,
            message="The module defines no Triton kernel.",
            remedy="Write the work as a function decorated with @triton.jit, and launch it from forward.",
        )
        return
    for name, kernel in program.kernels.items():
        own = set(ast.walk(kernel))
        if any(_names(node, name) and node not in own for node in program.nodes):
            return
    first = next(iter(program.kernels.values()))
    yield Finding(
        rule="kernel",
        line=first.lineno,
        message=f"No kernel is used: `{first.name}` is only defined.",
        remedy="Launch the kernel from forward: kernel[grid](...).",
    )


def _names(node: ast.AST, name: str) -> bool:
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)


def test_code(program: Program) -> Iterator[Finding]:
    """No input functions, no main block, nothing that runs while the module is imported."""
    for statement in _run_at_import(program.tree.body):
        if isinstance(statement, ast.FunctionDef) and statement.name in ("get_inputs", "get_init_inputs"):
            yield _test(statement, f"The module defines {statement.name}.", "Leave it out: inputs come from the task.")
        elif isinstance(statement, ast.If) and _names_main(statement.test):
            yield _test(statement, "The module has a main block.", "Leave test code out.")
        elif isinstance(statement, ast.While | ast.With | ast.AsyncWith | ast.AsyncFor):
            word = type(statement).__name__.lower()
            yield _test(statement, f"A {word} statement runs while the module is imported.", "Leave test code out.")
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _calls(program, statement)


def _calls(program: Program, statement: ast.stmt) -> Iterator[Finding]:
    """Calls outside any function that do more than prepare constants."""
    for node in _immediate(statement):
        if isinstance(node, ast.Call) and not _prepares(program, node, isinstance(statement, ast.Expr)):
            name = ast.unparse(node.func)
            yield _test(
                node,
                f"`{name[:60]}(...)` is called while the module is imported.",
                "Make tensors and run kernels in __init__ or forward, and leave test code out.",
            )


def _prepares(program: Program, call: ast.Call, alone: bool) -> bool:
    """True if a call may stand at module level: a constant, a configuration, a decorator, one's own function."""
    function = called(call)
    paths = program.scopes.paths(function)
    if paths:
        return all(_is_listed(path) for path in paths)
    if isinstance(function, ast.Name):
        own = [node for node in program.tree.body if getattr(node, "name", None) == function.id]
        if own:
            return not alone and "ModelNew" not in function.id
        return is_builtin(program, function, function.id) and not (alone and function.id == "print")
    if isinstance(function, ast.Attribute):
        return function.attr in _COLLECTING or not alone
    return not alone


def _is_listed(path: str) -> bool:
    return any(path == row or path.startswith(f"{row}.") for row in tables.MODULE_LEVEL_CALLS)


def undefined_names(program: Program) -> Iterator[Finding]:
    """No name that is neither defined nor imported."""
    for node in undefined(program.tree, program.scopes):
        remedy = _IMPORT_LINES.get(node.id, "Define it, or write what was meant.")
        yield Finding(
            rule="undefined-name", line=node.lineno, message=f"The name `{node.id}` is not defined.", remedy=remedy
        )


_IMPORT_LINES = {
    "torch": "Add: import torch",
    "nn": "Add: import torch.nn as nn",
    "F": "Add: import torch.nn.functional as F",
    "triton": "Add: import triton",
    "tl": "Add: import triton.language as tl",
    "math": "Add: import math",
    "libdevice": "Add: from triton.language.extra import libdevice",
}


def order(program: Program) -> Iterator[Finding]:
    """Advice: imports, then kernels, then wrappers, then ModelNew."""
    ranks = {"imports": 0, "kernels": 1, "wrappers": 2, "ModelNew": 3}
    highest = "imports"
    for statement in program.tree.body:
        kind = _kind(program, statement)
        if kind and ranks[kind] < ranks[highest]:
            yield Finding(
                rule="order",
                line=line_of(statement),
                message=f"{kind} stand after {highest}.",
                remedy="Order the module: imports, kernels, wrappers, ModelNew.",
                severity="advice",
            )
            return
        highest = kind or highest


def _kind(program: Program, statement: ast.stmt) -> str:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "imports"
    if isinstance(statement, ast.ClassDef):
        return "ModelNew" if statement.name == "ModelNew" else ""
    if isinstance(statement, ast.FunctionDef):
        if statement.name in program.kernels:
            return "kernels"
        launches = any(isinstance(node, ast.Name) and node.id in program.kernels for node in ast.walk(statement))
        return "wrappers" if launches else ""
    return ""


def _classes(program: Program) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in _run_at_import(program.tree.body) if isinstance(node, ast.ClassDef)}


def _family(start: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> list[ast.ClassDef]:
    """A class and its bases within the module, nearest first."""
    family, pending = [], [start]
    while pending:
        member = pending.pop(0)
        if member not in family:
            family.append(member)
            pending += [classes[base.id] for base in member.bases if isinstance(base, ast.Name) and base.id in classes]
    return family


def _defines(owner: ast.ClassDef, name: str) -> bool:
    for node in owner.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return True
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return True
    return False


def _run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, with those inside its `if`, `try` and `for`."""
    for statement in body:
        yield statement
        for name in ("body", "orelse", "finalbody"):
            if isinstance(statement, ast.If | ast.Try | ast.For):
                yield from _run_at_import(getattr(statement, name, []))
        for handler in getattr(statement, "handlers", []):
            yield from _run_at_import(handler.body)


def _immediate(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions that a statement evaluates itself: not the statements inside it, nor the bodies of lambdas."""
    pending: list[ast.AST] = [child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt)]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.Lambda):
            pending += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]


def _names_main(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))


def _test(node: ast.AST, message: str, remedy: str) -> Finding:
    return Finding(rule="test-code", line=line_of(node), message=message, remedy=remedy)
