"""What names mean in a module: which may stand for something imported, and which for nothing at all.

Python's scoping, followed exactly where it hides a name (functions, comprehensions) and generously where it does not
(a class body or a module falls back to the outside if the name was not bound in time). Answers are "may be": whatever
could be an imported module counts as one.
"""

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

_MODULE_NAMES = frozenset({"__name__", "__file__", "__doc__", "__spec__", "__loader__", "__package__", "__builtins__"})
_ALWAYS_THERE = frozenset(dir(builtins)) | _MODULE_NAMES | {"__class__", "__annotations__", "__qualname__"}


@dataclass
class Scope:
    """Names bound in one scope: to dotted paths that were imported, to expressions, or (None) to anything else."""

    kind: Literal["module", "function", "class", "comprehension"]
    parent: "Scope | None"
    bound: dict[str, list[str | ast.expr | None]] = field(default_factory=dict)
    outer: set[str] = field(default_factory=set)  # declared global
    borrowed: set[str] = field(default_factory=set)  # declared nonlocal


class Scopes(ast.NodeVisitor):
    """The scopes of a module, and the resolution of names in them."""

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope("module", None)
        self.starred = False  # a star import: any name may be defined
        self._scope = self.module
        self._at: dict[ast.AST, Scope] = {}
        for statement in tree.body:
            self.visit(statement)

    def paths(self, node: ast.AST | None) -> frozenset[str]:
        """Dotted paths of imported things that an expression may stand for: `nn.Linear` -> {"torch.nn.Linear"}."""
        return frozenset(self._paths(node, frozenset()))

    def is_local(self, node: ast.Name) -> bool:
        """True if a name is bound in a function or comprehension around it, so that it can't be a builtin."""
        return any(scope.kind in ("function", "comprehension") for scope in self._binding_scopes(node))

    def is_bound(self, node: ast.Name) -> bool:
        """True if anything in the module binds the name where `node` can see it."""
        return any(True for _ in self._binding_scopes(node))

    def _paths(self, node: ast.AST | None, seen: frozenset[ast.AST]) -> Iterator[str]:
        if node in seen:
            return
        if isinstance(node, ast.Attribute):
            for path in self._paths(node.value, seen):
                yield f"{path}.{node.attr}"
        elif isinstance(node, ast.Name):
            for scope in self._binding_scopes(node):
                for binding in scope.bound[node.id]:
                    if isinstance(binding, str):
                        yield binding
                    elif binding is not None:
                        yield from self._paths(binding, seen | {node})

    def _binding_scopes(self, node: ast.Name) -> Iterator[Scope]:
        scope: Scope | None = self._at[node]
        innermost = True
        while scope is not None:
            if node.id in scope.outer:
                scope = self.module
            visible = innermost or scope.kind != "class"
            if visible and node.id in scope.bound and node.id not in scope.borrowed:
                yield scope
                if scope.kind in ("function", "comprehension"):
                    return
            scope, innermost = scope.parent, False

    def _bind(self, name: str, meaning: str | ast.expr | None, scope: Scope | None = None) -> None:
        scope = scope or self._scope
        while name in scope.borrowed and scope.parent is not None:
            scope = scope.parent
        if name in scope.outer:
            scope = self.module
        scope.bound.setdefault(name, []).append(meaning)

    def visit_Name(self, node: ast.Name) -> None:
        self._at[node] = self._scope
        if not isinstance(node.ctx, ast.Load):
            self._bind(node.id, None)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._assign(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
        self._assign(node.target, node.value)

    def _assign(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name) and isinstance(value, ast.Name | ast.Attribute):
            self._at[target] = self._scope
            self._bind(target.id, value)
        else:
            self.visit(target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._at[node.target] = self._scope
        home = self._scope
        while home.kind == "comprehension" and home.parent is not None:
            home = home.parent
        self._bind(node.target.id, node.value if isinstance(node.value, ast.Name | ast.Attribute) else None, home)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.asname:
                self._bind(alias.asname, alias.name)
            else:
                self._bind(alias.name.partition(".")[0], alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        source = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.starred = True
            else:
                self._bind(alias.asname or alias.name, f"{source}.{alias.name}")

    def visit_Global(self, node: ast.Global) -> None:
        self._scope.outer.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self._scope.borrowed.update(node.names)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._bind(node.name, None)
        self._visit_all([*node.decorator_list, node.returns])
        self._function(node, node.args, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, node.args, [node.body])

    def _function(self, node: ast.AST, arguments: ast.arguments, body: list[ast.stmt] | list[ast.expr]) -> None:
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        present = [argument for argument in named if argument is not None]
        self._visit_all([*arguments.defaults, *arguments.kw_defaults, *(argument.annotation for argument in present)])
        self._enter("function")
        for argument in present:
            self._bind(argument.arg, None)
        self._visit_all([*getattr(node, "type_params", []), *body])
        self._leave()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._bind(node.name, None)
        self._visit_all([*node.decorator_list, *node.bases, *node.keywords])
        self._enter("class")
        self._visit_all([*getattr(node, "type_params", []), *node.body])
        self._leave()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self.visit(node.generators[0].iter)
        self._enter("comprehension")
        for number, generator in enumerate(node.generators):
            self._visit_all([generator.target, generator.iter if number else None, *generator.ifs])
        self._visit_all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self._leave()

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name, None)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._bind(node.name, None)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name, None)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._bind(node.rest, None)
        self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        if type(node).__name__ in ("TypeVar", "ParamSpec", "TypeVarTuple"):  # type parameters, since Python 3.12
            self._bind(node.name, None)  # type: ignore[attr-defined]
        super().generic_visit(node)

    def _enter(self, kind: Literal["function", "class", "comprehension"]) -> None:
        self._scope = Scope(kind, self._scope)

    def _leave(self) -> None:
        assert self._scope.parent is not None
        self._scope = self._scope.parent

    def _visit_all(self, nodes: "list[ast.AST | None]") -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)


def undefined(tree: ast.Module, scopes: Scopes | None = None) -> tuple[ast.Name, ...]:
    """Names that are used but neither defined nor imported nor builtin, each where it is used first."""
    scopes = scopes or Scopes(tree)
    if scopes.starred:
        return ()
    ignored = _annotations(tree) if _postponed(tree) else set()
    first: dict[str, ast.Name] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name) or node in ignored or node.id in _ALWAYS_THERE:
            continue
        if isinstance(node.ctx, ast.Load) and not scopes.is_bound(node):
            first.setdefault(node.id, node)
    return tuple(sorted(first.values(), key=lambda node: (node.lineno, node.col_offset)))


def _postponed(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" and node.names[0].name == "annotations"
        for node in tree.body
    )


def _annotations(tree: ast.Module) -> set[ast.AST]:
    roots = [getattr(node, name, None) for node in ast.walk(tree) for name in ("annotation", "returns")]
    return {inner for root in roots if isinstance(root, ast.AST) for inner in ast.walk(root)}
