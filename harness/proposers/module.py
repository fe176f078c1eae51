"""A candidate's module as the rewriters read it: its kernels, their launches, and what these give their parameters."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from candidates.syntax import parse
from harness.proposers.edits import Layout
from harness.proposers.names import Names, called_name
from prompts.stages import LAUNCH_OPTIONS


class NotRecognised(Exception):
    """The code does not have the form that a rewriter knows, so that it leaves it alone."""


@dataclass(frozen=True)
class Definition:
    """A kernel's function and the decorators on it, whether written above it or applied by calls."""

    function: ast.FunctionDef
    decorators: tuple[ast.expr, ...]

    def named(self, word: str) -> ast.Call | None:
        """The decorator of this name that is a call."""
        found = (part for part in self.decorators if isinstance(part, ast.Call) and called_name(part) == word)
        return next(found, None)


@dataclass(frozen=True)
class Launch:
    """One call of the form kernel[grid](...)."""

    kernel: str
    call: ast.Call
    grid: ast.expr


@dataclass
class Module:
    """The syntax tree of a source and what can be told from it.

    Raises:
        candidates.syntax.Unparsed: the source is no Python module.
    """

    source: str
    layout: Layout = field(init=False)
    tree: ast.Module = field(init=False)
    names: Names = field(init=False)

    def __post_init__(self) -> None:
        self.layout = Layout(self.source)
        self.tree = parse(self.source)
        self.names = Names(self.tree)

    def text(self, node: ast.expr) -> str:
        """The source of an expression, without parentheses around it."""
        return self.layout.text(*self.layout.span(node))

    def definitions(self) -> Mapping[str, Definition]:
        """Kernels by the name under which they are launched: decorated functions, and `k = triton.jit(f)`."""
        functions = {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)}
        found = {
            name: Definition(node, tuple(node.decorator_list))
            for name, node in functions.items()
            if any(called_name(decorator) == "jit" for decorator in node.decorator_list)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                decorators, inner = _unwrap(node.value)
                if inner in functions and any(called_name(decorator) == "jit" for decorator in decorators):
                    found[node.targets[0].id] = Definition(functions[inner], decorators)
        return found

    def launches(self) -> Iterator[Launch]:
        """All launches, of whichever kernel."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
                yield Launch(called_name(node.func.value), node, node.func.slice)

    def given(self, launch: Launch, parameter: str, function: ast.FunctionDef) -> tuple[ast.expr | None, bool]:
        """The expression that a launch gives a parameter, and whether it is certain that there is no other."""
        position = next((i for i, argument in enumerate(positional(function)) if argument.arg == parameter), None)
        certain = True
        for keyword in launch.call.keywords:
            if keyword.arg == parameter:
                return keyword.value, True
            if keyword.arg is None:
                entries = self.names.entries(keyword.value)
                if entries is not None and parameter in entries:
                    return entries[parameter], True
                certain = certain and entries is not None
        if any(isinstance(argument, ast.Starred) for argument in launch.call.args):
            return None, parameter in LAUNCH_OPTIONS and certain
        if position is not None and position < len(launch.call.args):
            return launch.call.args[position], True
        return None, certain

    def sole(self, kernel: str) -> tuple[ast.FunctionDef, list[Launch]]:
        """A kernel that is launched and never called by another one, and its launches.

        Raises:
            NotRecognised: there is no such kernel, or `triton` and `tl` mean something else in this module.
        """
        definition = self.definitions().get(kernel)
        launches = [launch for launch in self.launches() if launch.kernel == kernel]
        if definition is None or not launches or definition.function.name != kernel or not self._imports_triton():
            raise NotRecognised
        uses = [node for node in ast.walk(self.tree) if isinstance(node, ast.Name) and node.id == kernel]
        if len(uses) != len(launches):
            raise NotRecognised
        return definition.function, launches

    def is_free(self, *words: str) -> bool:
        """True if no name, parameter or attribute in the module is called so."""
        taken = {getattr(node, part, None) for node in ast.walk(self.tree) for part in ("id", "arg", "attr", "name")}
        return taken.isdisjoint(words)

    def is_pure(self, node: ast.expr) -> bool:
        """True for an expression of sizes that can be written down, and computed, a second time."""
        match node:
            case ast.Name():
                return True
            case ast.Constant(value=value):
                return type(value) is int
            case ast.Attribute(value=inner) | ast.Subscript(value=inner, slice=ast.Constant()):
                return self.is_pure(inner)
            case ast.Subscript(value=inner, slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant())):
                return self.is_pure(inner)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv(), right=right):
                return self.is_pure(left) and self.is_pure(right)
            case ast.Call(func=ast.Attribute(value=inner, attr="numel" | "size"), keywords=[]):
                return self.is_pure(inner) and all(self.is_pure(argument) for argument in node.args)
        return False

    def _imports_triton(self) -> bool:
        meant = {"triton": "triton", "tl": "triton.language"}
        said = [
            (alias.asname or alias.name, alias.name)
            for node in self.tree.body
            if isinstance(node, ast.Import)
            for alias in node.names
        ]
        bound = {word: sum(1 for name in self.names.bound(self.tree, word)) for word in meant}
        return all((word, module) in said and bound[word] == 1 for word, module in meant.items())


def positional(function: ast.FunctionDef) -> list[ast.arg]:
    """Parameters that can be given by position."""
    return [*function.args.posonlyargs, *function.args.args]


def constants(function: ast.FunctionDef) -> list[str]:
    """Parameters that are compile-time constants."""
    return [
        argument.arg
        for argument in [*positional(function), *function.args.kwonlyargs]
        if argument.annotation is not None and called_name(argument.annotation) == "constexpr"
    ]


def is_tl(node: ast.AST, *words: str) -> bool:
    """True for a call of one of these functions of triton.language."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="tl"), attr=attr)):
            return attr in words
    return False


def arguments_of(call: ast.Call, *order: str) -> dict[str, ast.expr]:
    """The arguments of a load or a store by name; hints to the cache may come on top, by name.

    Raises:
        NotRecognised: there are others, or one but the mask and what stands in for masked elements is missing.
    """
    allowed = {*order, "cache_modifier", "eviction_policy"}
    if len(call.args) > len(order) or any(isinstance(argument, ast.Starred) for argument in call.args):
        raise NotRecognised
    found = dict(zip(order, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg not in allowed or keyword.arg in found:
            raise NotRecognised
        found[keyword.arg] = keyword.value
    if not set(order[: len(order) - 1 - ("other" in order)]) <= found.keys():
        raise NotRecognised
    return found


def _unwrap(node: ast.expr) -> tuple[tuple[ast.expr, ...], str]:
    """Decorators applied by calls, outermost first, and the function they are applied to."""
    decorators = []
    while isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        decorators.append(node.func)
        node = node.args[0]
    return tuple(decorators), node.id if isinstance(node, ast.Name) else ""
