"""What the rules say about a candidate, and what they look at."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from candidates.scopes import Scopes


class Finding(BaseModel):
    """One thing that a rule found. Message and remedy are whole sentences, fit for a person and for a repair prompt.

    `refuse` keeps the candidate from being evaluated; `advice` does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    line: int  # counts from 1; 0: the module as a whole
    message: str
    remedy: str
    severity: Literal["refuse", "advice"] = "refuse"


class Language(Protocol):
    """The names that the installed Triton offers (`evaluator.triton_api.TritonApi`)."""

    @property
    def version(self) -> str: ...

    @property
    def language(self) -> frozenset[str]: ...

    @property
    def libdevice(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class Program:
    """A parsed candidate, as the rules see it."""

    tree: ast.Module
    api: Language

    @cached_property
    def scopes(self) -> Scopes:
        return Scopes(self.tree)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def references(self) -> tuple[tuple[ast.AST, str], ...]:
        """Every use of something imported, with its dotted path: attribute access, import, constant `getattr`."""
        return tuple(self._references())

    def _references(self) -> Iterator[tuple[ast.AST, str]]:
        for node in self.nodes:
            if isinstance(node, ast.Attribute):
                yield from ((node, path) for path in sorted(self.scopes.paths(node)))
            elif isinstance(node, ast.ImportFrom):
                source = "." * node.level + (node.module or "")
                yield from ((node, f"{source}.{alias.name}") for alias in node.names if alias.name != "*")
            elif isinstance(node, ast.Import):
                yield from ((node, alias.name) for alias in node.names)
            elif isinstance(node, ast.Call) and is_builtin(self, node.func, "getattr", "setattr", "delattr"):
                name = constant_text(node.args[1]) if len(node.args) > 1 else None
                if name is not None:
                    yield from ((node, f"{path}.{name}") for path in sorted(self.scopes.paths(node.args[0])))

    @cached_property
    def kernels(self) -> dict[str, ast.FunctionDef]:
        """Functions that `triton.jit` makes kernels of, by name: decorated, or passed to it."""
        functions = {node.name: node for node in self.nodes if isinstance(node, ast.FunctionDef)}
        found = {
            name: node
            for name, node in functions.items()
            if any("triton.jit" in self.scopes.paths(called(mark)) for mark in node.decorator_list)
        }
        for node in self.nodes:
            if isinstance(node, ast.Call) and "triton.jit" in self.scopes.paths(called(node)):
                names = [argument.id for argument in node.args if isinstance(argument, ast.Name)]
                found |= {name: functions[name] for name in names if name in functions}
        return found


def called(node: ast.expr) -> ast.expr:
    """The function of a call, or of a call of a call; the expression itself if it is no call."""
    while isinstance(node, ast.Call):
        node = node.func
    return node


def is_builtin(program: Program, node: ast.AST, *names: str) -> bool:
    """True if an expression may be one of these builtins."""
    return isinstance(node, ast.Name) and node.id in names and not program.scopes.is_local(node)


def constant_text(node: ast.AST) -> str | None:
    """The value of a string literal; None for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def line_of(node: ast.AST) -> int:
    """Line of a node, from 1; 0 if it has none."""
    return getattr(node, "lineno", 0)
