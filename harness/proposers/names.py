"""What names in a candidate stand for, as far as its syntax tree shows it beyond doubt."""

import ast
from collections import defaultdict
from collections.abc import Iterator

Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_SCOPES = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_DEPTH = 8  # of names that stand for names


def called_name(node: ast.AST) -> str:
    """The last word of a dotted name, or of the name that a call calls: `triton.Config(...)` gives Config."""
    if isinstance(node, ast.Call):
        return called_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def is_int(node: ast.AST | None) -> bool:
    """True for a literal whole number."""
    return isinstance(node, ast.Constant) and type(node.value) is int


class Names:
    """Bindings of a module. A name counts as known where it is bound exactly once in its scope."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self._parents: dict[ast.AST, ast.AST] = {}
        self._bound: dict[ast.AST, dict[str, list[ast.expr | None]]] = defaultdict(lambda: defaultdict(list))
        self._attributes: dict[str, list[ast.expr | None]] = defaultdict(list)
        self._calls: dict[str, list[ast.Call]] = defaultdict(list)
        self._altered: set[str] = set()
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self._parents[child] = node
        for node in ast.walk(tree):
            self._read(node)
            if isinstance(node, ast.Call):
                self._read_call(node)
        for node in ast.walk(tree):  # when all calls are known
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._read_parameters(node)

    def value(self, node: ast.expr, depth: int = _DEPTH) -> ast.expr:
        """The expression that a name or an attribute of self stands for; the node itself if that is not certain."""
        found = self._lookup(node) if depth else None
        return node if found is None else self.value(found, depth - 1)

    def integer(self, node: ast.expr) -> ast.Constant | None:
        """The literal whole number that an expression stands for."""
        found = self.value(node)
        return found if isinstance(found, ast.Constant) and is_int(found) else None

    def entries(self, node: ast.expr) -> dict[str, ast.expr] | None:
        """Keys and values of the dictionary that an expression stands for; None if they can't be listed."""
        if isinstance(node, ast.Name) and node.id in self._altered:
            return None
        found = self.value(node)
        if isinstance(found, ast.Dict):
            keys = [key.value if isinstance(key, ast.Constant) else None for key in found.keys]
            if all(isinstance(key, str) for key in keys):
                return {str(key): value for key, value in zip(keys, found.values, strict=True)}
        if isinstance(found, ast.Call) and called_name(found) == "dict" and not found.args:
            listed = {keyword.arg: keyword.value for keyword in found.keywords}
            return None if None in listed else {str(name): value for name, value in listed.items()}
        return None

    def reachable(self, node: ast.expr, depth: int = _DEPTH) -> Iterator[ast.AST]:
        """All nodes of an expression, and of the expressions that its names stand for."""
        for part in ast.walk(node):
            yield part
            if depth and isinstance(part, ast.Name | ast.Attribute):
                found = self._lookup(part)
                if found is not None:
                    yield from self.reachable(found, depth - 1)

    def enclosing(self, node: ast.AST, kinds: tuple[type[ast.AST], ...] = _SCOPES) -> ast.AST | None:
        """The innermost node of these kinds around a node."""
        parent = self._parents.get(node)
        while parent is not None and not isinstance(parent, kinds):
            parent = self._parents.get(parent)
        return parent

    def bound(self, scope: ast.AST, name: str) -> list[ast.expr | None]:
        """What a scope binds a name to, once for each place; None where the value is not an expression of its own."""
        return self._bound[scope].get(name, []) if scope in self._bound else []

    def settled(self, node: ast.expr) -> bool:
        """True if no name in an expression is bound twice in the scope around it, so that it means one thing there."""
        scope = self.enclosing(node)
        named = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
        return scope is not None and all(len(self.bound(scope, name)) <= 1 for name in named)

    def _lookup(self, node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.Name):
            return self._lookup_name(node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            return _only(self._attributes.get(node.attr, []))
        return None

    def _lookup_name(self, node: ast.Name) -> ast.expr | None:
        scope = self.enclosing(node)
        innermost = True
        while scope is not None:
            # A class body is seen from itself alone, not from the functions in it.
            if innermost or not isinstance(scope, ast.ClassDef):
                bound = self._bound[scope].get(node.id)
                if bound is not None:
                    return _only(bound)
            innermost = False
            scope = self.enclosing(scope)
        return None

    def _read(self, node: ast.AST) -> None:
        """Records what a node binds."""
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._bind(target, value)
            case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
                self._bind(target, value)
            case ast.AugAssign(target=target) | ast.For(target=target) | ast.comprehension(target=target):
                self._bind(target, None)
            case ast.withitem(optional_vars=ast.expr() as target):
                self._bind(target, None)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self._note(node, name, None)
            case ast.alias(name=name, asname=other):
                self._note(node, other or name.split(".")[0], None)
            case ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name):
                self._note(node, name, None)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                for name in names:
                    self._note(node, name, None)
                    self._bound[self.tree][name].append(None)

    def _read_call(self, call: ast.Call) -> None:
        self._calls[called_name(call)].append(call)
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            self._altered.add(call.func.value.id)  # options.update(...)

    def _bind(self, target: ast.expr, value: ast.expr | None) -> None:
        match target:
            case ast.Name(id=name):
                self._note(target, name, value)
            case ast.Attribute(attr=attr):
                self._attributes[attr].append(value)
            case ast.Subscript(value=ast.Name(id=name)):
                self._altered.add(name)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                values: list[ast.expr | None] = [None] * len(parts)
                if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(parts):
                    values = list(value.elts)
                for part, item in zip(parts, values, strict=True):
                    self._bind(part, item)
            case ast.Starred(value=inner):
                self._bind(inner, None)

    def _note(self, at: ast.AST, name: str, value: ast.expr | None) -> None:
        scope = self.enclosing(at)
        if isinstance(scope, ast.ClassDef):
            self._attributes[name].append(value)
        if scope is not None:
            self._bound[scope][name].append(value)

    def _read_parameters(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A parameter stands for its default if no call in this module gives it another value.

        Methods are called from outside too, with arguments that can't be seen here.
        """
        arguments = function.args
        positional = [*arguments.posonlyargs, *arguments.args]
        missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
        method = isinstance(self.enclosing(function), ast.ClassDef)
        for index, (parameter, default) in enumerate(zip(positional, [*missing, *arguments.defaults], strict=True)):
            given = method or self._passed(function.name, parameter.arg, index)
            self._bound[function][parameter.arg].append(None if given else default)
        for parameter, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            given = method or self._passed(function.name, parameter.arg, None)
            self._bound[function][parameter.arg].append(None if given else default)
        for rest in (arguments.vararg, arguments.kwarg):
            if rest is not None:
                self._bound[function][rest.arg].append(None)

    def _passed(self, function: str, parameter: str, index: int | None) -> bool:
        """True if some call of the function may give this parameter a value."""
        for call in self._calls.get(function, []):
            if any(keyword.arg in (parameter, None) for keyword in call.keywords):
                return True
            if index is None:
                continue
            if len(call.args) > index or any(isinstance(argument, ast.Starred) for argument in call.args):
                return True
        return False


def _only(values: list[ast.expr | None]) -> ast.expr | None:
    return values[0] if len(values) == 1 else None
