"""Rules about reach: what may be imported, looked up, called and changed. See protocol P17.

They give early, readable refusals; what holds against an attacker is the sandbox. One idea carries most of the weight:
a module may stand before a dot and nowhere else. It can't be passed, returned, put into a list or matched against, so
a dotted path that starts at an import is the only way into a module, and paths can be read off the syntax tree.
"""

import ast
from collections.abc import Collection, Iterator

from candidates.rules import tables
from candidates.rules.finding import Finding, Program, constant_text, is_builtin, line_of

_IMPORTS = "Import only torch, torch.nn, torch.nn.functional, triton, triton.language, its libdevice, and of Python: "
_IMPORTS += "math, typing, functools, itertools, dataclasses, contextlib, warnings."
_HARD = frozenset(
    {
        "os",
        "sys",
        "subprocess",
        "importlib",
        "builtins",
        "ctypes",
        "pickle",
        "inspect",
        "shutil",
        "socket",
        "pathlib",
        "threading",
        "multiprocessing",
        "glob",
        "tempfile",
        "runpy",
        "marshal",
        "hub",
        "cpp_extension",
        "load_library",
        "_C",
    }
)
"""Attributes that are refused on any object but self: whatever it turns out to be, this is not kernel code."""


def imports(program: Program) -> Iterator[Finding]:
    """Only allowed modules, absolutely and by name."""
    for node in program.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name not in tables.ALLOWED_MODULES:
                    yield _finding("import", node, f"`import {alias.name}` is not allowed.", _IMPORTS)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            if name not in tables.ALLOWED_MODULES:
                yield _finding("import", node, f"Importing from `{name}` is not allowed.", _IMPORTS)
            elif any(alias.name == "*" for alias in node.names):
                yield _finding(
                    "star-import",
                    node,
                    f"`from {name} import *` hides which names are used.",
                    "Import the module and write its name before the dot.",
                )


def references(program: Program) -> Iterator[Finding]:
    """No refused path, no module reached through another one, no private name of a module."""
    for node, path in program.references:
        if path.partition(".")[0] not in ("torch", "triton", *tables.ALLOWED_STDLIB, "typing", "math", "itertools"):
            continue  # not an allowed import: reported as such
        refused = _refused(path)
        if refused:
            shown, remedy = refused
            yield _finding("refused-name", node, f"`{shown}` is not allowed.", remedy)


def _refused(path: str) -> tuple[str, str] | None:
    """The shortest part of a path that is refused, and what to do instead."""
    words = path.split(".")
    for end in range(2, len(words) + 1):
        prefix, word = ".".join(words[:end]), words[end - 1]
        if prefix in tables.REFUSED_PATHS:
            return prefix, tables.REFUSED_PATHS[prefix]
        if word in tables.FOREIGN_MODULES:
            return prefix, tables.OWN
        if word.startswith("_") and word not in tables.ALLOWED_DUNDER:
            return prefix, "Use the public functions of the module."
    root, name = words[0], words[1] if len(words) > 1 else ""
    allowed = {**tables.ALLOWED_STDLIB, "triton": tables.ALLOWED_TRITON}.get(root)
    shown = f"{root}.{name}"
    if name and allowed is not None and name not in allowed | tables.ALLOWED_DUNDER:
        return shown, f"Of {root}, use only: {', '.join(sorted(allowed))}."
    if root == "typing" and name in tables.NOT_FROM_TYPING:
        return shown, "Write types as annotations only."
    if words[:2] == ["triton", "runtime"] and len(words) > 2 and words[2] not in tables.ALLOWED_TRITON_RUNTIME:
        return ".".join(words[:3]), "Ask torch.cuda.get_device_properties for facts about the GPU."
    return None


def changes(program: Program) -> Iterator[Finding]:
    """Nothing that was imported is changed: no module attribute, no method of a torch class, no global flag."""
    for node in program.nodes:
        target: ast.expr | None = None
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            target = node.value
        elif isinstance(node, ast.Call) and is_builtin(program, node.func, "setattr", "delattr") and node.args:
            target = node.args[0]
        if isinstance(target, ast.Call) and is_builtin(program, target.func, "type"):
            yield _finding(
                "changes-import",
                node,
                "This changes a class by way of one of its objects.",
                "Write a class of your own, and keep state on self.",
            )
        paths = program.scopes.paths(target)
        if paths:
            yield _finding(
                "changes-import",
                node,
                f"This changes `{min(paths)}`, which is not the candidate's own.",
                "Keep state on self; the task sets global flags, the same for reference and candidate.",
            )


def module_values(program: Program) -> Iterator[Finding]:
    """A module stands before a dot, in a plain alias, in a test for None, or in `hasattr`/`getattr`; nowhere else."""
    for node in program.nodes:
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        modules = program.scopes.paths(node) & tables.MODULES
        if modules and not _is_plain_use(program, node):
            yield _finding(
                "module-as-value",
                node,
                f"The module `{min(modules)}` is used as a value.",
                "Write the module's name before the dot where it is used; don't pass it around.",
            )


def _is_plain_use(program: Program, node: ast.expr) -> bool:
    parent = program.parents[node]
    match parent:
        case ast.Attribute() | ast.Expr() | ast.If():
            return True
        case ast.Assign():
            in_class = isinstance(program.parents[parent], ast.ClassDef)
            return not in_class and all(isinstance(target, ast.Name) for target in parent.targets)
        case ast.Compare():
            return all(isinstance(part, ast.Constant) and part.value is None for part in parent.comparators)
        case ast.Call() if is_builtin(program, parent.func, "hasattr", "getattr") and parent.args[0] is node:
            return len(parent.args) > 1 and constant_text(parent.args[1]) is not None
    return False


def builtins(program: Program) -> Iterator[Finding]:
    """No builtin that runs text, reaches files or shows namespaces; `getattr` and its kin only with readable names."""
    for node in program.nodes:
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        if is_builtin(program, node, *tables.REFUSED_BUILTINS):
            yield _finding("refused-builtin", node, f"`{node.id}` is not allowed.", tables.REFUSED_BUILTINS[node.id])
        elif is_builtin(program, node, *tables.ATTRIBUTE_BUILTINS):
            yield from _attribute_builtin(program, node)
        elif is_builtin(program, node, "type") and _arguments(program, node) not in (1, None):
            yield _finding(
                "refused-builtin",
                node,
                "`type` with more than one argument makes a class out of sight.",
                "Write a class statement.",
            )


def _attribute_builtin(program: Program, node: ast.Name) -> Iterator[Finding]:
    call = program.parents[node]
    if not isinstance(call, ast.Call) or call.func is not node:
        yield _finding(
            "computed-attribute", node, f"`{node.id}` is used as a value.", "Write the attribute access out."
        )
        return
    name = call.args[1] if len(call.args) > 1 else None
    text = constant_text(name) if name is not None else None
    if text is not None:
        if node.id != "hasattr":
            yield from _attribute(node, text, _is_self(call.args[0]))
    elif not _safe_start(name, () if _is_self(call.args[0]) else _HARD):
        yield _finding(
            "computed-attribute",
            node,
            f"`{node.id}` with a computed name.",
            'Write the attribute access out, or begin the name with plain text: f"conv{i}".',
        )


def _safe_start(name: ast.expr | None, refused: Collection[str]) -> bool:
    """True for an f-string that begins with text which no refused attribute begins with."""
    if not isinstance(name, ast.JoinedStr) or not name.values:
        return False
    start = constant_text(name.values[0]) or "_"
    return not start.startswith(("_", *tables.FRAME_PREFIXES)) and not any(
        word.startswith(start) for word in (*tables.FRAME_PREFIXES, *refused)
    )


def wrappers(program: Program) -> Iterator[Finding]:
    """`functools.wraps` takes one function and nothing else: told what to copy, it copies a function's globals."""
    for node in program.nodes:
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        if "functools.wraps" not in program.scopes.paths(node):
            continue
        call = program.parents[node]
        if not isinstance(call, ast.Call) or call.func is not node or len(call.args) != 1 or call.keywords:
            yield _finding(
                "refused-name",
                node,
                "`functools.wraps` is used for more than one function's name and words.",
                "Write @functools.wraps(function), or leave it out.",
            )


def attributes(program: Program) -> Iterator[Finding]:
    """No attribute that leads into the interpreter, to files, or to streams, on any object."""
    for node in program.nodes:
        if isinstance(node, ast.Attribute):
            imported = node.attr in _HARD and program.scopes.paths(node)  # then `references` has the better words
            inherited = is_super(program, node.value) and node.attr in tables.ALLOWED_ON_SUPER
            if not inherited and not imported:
                yield from _attribute(node, node.attr, _is_self(node.value))
        elif isinstance(node, ast.MatchClass):
            for name in node.kwd_attrs:
                yield from _attribute(node, name, False)


def _attribute(node: ast.AST, name: str, own: bool) -> Iterator[Finding]:
    if _is_dunder(name) and name not in tables.ALLOWED_DUNDER:
        yield _finding("dunder", node, f"The attribute `{name}` leads into the interpreter.", tables.OWN)
    elif name in tables.FRAME_ATTRIBUTES or (name in _HARD and not own):
        yield _finding("dunder", node, f"The attribute `{name}` leads out of the candidate.", tables.OWN)
    elif name in tables.REFUSED_METHODS and not own:
        yield _finding("refused-name", node, f"The method `{name}` is not allowed.", tables.REFUSED_METHODS[name])


def dunder_names(program: Program) -> Iterator[Finding]:
    """No `__builtins__`, `__loader__` and the like, and no method that acts behind the back of the object's user."""
    for node in program.nodes:
        if isinstance(node, ast.Name) and _is_dunder(node.id):
            reads = isinstance(node.ctx, ast.Load)
            if reads and node.id not in tables.ALLOWED_DUNDER_NAMES | set(tables.REFUSED_BUILTINS):
                yield _finding("dunder", node, f"The name `{node.id}` leads into the interpreter.", tables.OWN)
            elif not reads and node.id in tables.REFUSED_DEFINITIONS | _SHADOWING:
                yield _finding("dunder", node, f"`{node.id}` may not be replaced.", tables.OWN)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in tables.REFUSED_DEFINITIONS:
            yield _finding(
                "dunder", node, f"A method `{node.name}` changes what other code sees.", "Use ordinary methods."
            )


_SHADOWING = frozenset({"__builtins__", "__name__", "__class__", "__dict__", "__import__", "__build_class__"})


def bases(program: Program) -> Iterator[Finding]:
    """Bases can be read off, and none is Tensor or Parameter, whose methods would run when the result is looked at."""
    tensors = {"torch.Tensor", "torch.nn.Parameter", "torch.nn.parameter.Parameter", "torch.nn.Buffer"}
    for node in program.nodes:
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            plain = base.value if isinstance(base, ast.Subscript) else base  # Generic[T]
            if program.scopes.paths(plain) & tensors:
                yield _finding("tensor-subclass", base, "A class is derived from Tensor.", "Return plain tensors.")
            elif not isinstance(plain, ast.Name | ast.Attribute):
                yield _finding("tensor-subclass", base, "A base class is computed.", "Write the base's name.")


def is_super(program: Program, node: ast.AST) -> bool:
    """True for `super()`."""
    return isinstance(node, ast.Call) and is_builtin(program, node.func, "super") and not node.args


def _arguments(program: Program, node: ast.Name) -> int | None:
    """How many arguments the call of a name has; None if it is not called."""
    call = program.parents[node]
    if not isinstance(call, ast.Call) or call.func is not node:
        return None
    return len(call.args) + len(call.keywords) + any(isinstance(argument, ast.Starred) for argument in call.args)


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and len(name) > 4


def _finding(rule: str, node: ast.AST, message: str, remedy: str) -> Finding:
    return Finding(rule=rule, line=line_of(node), message=message, remedy=remedy)
