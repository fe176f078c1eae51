"""Where a candidate decides its launch parameters and block sizes, and how it is rewritten to decide otherwise.

Nothing is searched for in the text: places are nodes of the syntax tree, and only their bytes are replaced, so that
comments and layout stay.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from candidates.syntax import parse
from harness.proposers.autotune import DEFAULTS, ConfigList, read_configs
from harness.proposers.edits import Edit, Layout, apply
from harness.proposers.names import Names, called_name


@dataclass(frozen=True)
class Place:
    """A part of the source that holds a parameter's value; where nothing is said yet, an empty part to fill."""

    start: int
    end: int
    before: str = ""
    behind: str = ""

    def edit(self, value: int) -> Edit:
        """Puts a value there."""
        return Edit(self.start, self.end, f"{self.before}{value}{self.behind}")


@dataclass(frozen=True)
class Knob:
    """One parameter of a kernel's launches, as the code names it. `value` is None where it is computed or differs."""

    name: str
    value: int | None
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Kernel:
    """A kernel that the candidate launches, and what may be varied about it.

    An autotuned kernel is varied by its list of configurations, another one by its knobs.
    """

    name: str
    knobs: dict[str, Knob]
    configs: ConfigList | None = None
    loops: bool = True  # num_stages means nothing to a kernel without a loop

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what can be set, as the code names them."""
        return self.configs.parameters if self.configs else tuple(self.knobs)

    def allows(self, point: Mapping[str, int]) -> bool:
        """False if the code decides two parameters at one place (BM = BN = 64) and the point would part them."""
        for name, value in point.items():
            own = self.knobs[name].places if name in self.knobs else ()
            for other, knob in self.knobs.items():
                if point.get(other, knob.value) != value and not set(own).isdisjoint(knob.places):
                    return False
        return True


def read_kernels(source: str) -> tuple[Kernel, ...]:
    """The kernels that the source launches, in the order of their definition.

    Raises:
        candidates.syntax.Unparsed: the source is no Python module.
    """
    return _Reader(source).kernels()


def set_knobs(source: str, kernel: Kernel, point: Mapping[str, int]) -> str:
    """The source with these values at all launches of the kernel."""
    edits = [
        place.edit(value)
        for name, value in point.items()
        if kernel.knobs[name].value != value
        for place in kernel.knobs[name].places
    ]
    return apply(source, edits)


def set_configs(source: str, kernel: Kernel, points: Sequence[Mapping[str, int]], current: Mapping[str, int]) -> str:
    """The source with one autotuning configuration a point; see `ConfigList.edit`."""
    assert kernel.configs is not None
    return apply(source, [kernel.configs.edit(points, current)])


@dataclass(frozen=True)
class _Definition:
    function: ast.FunctionDef
    decorators: tuple[ast.expr, ...]

    def named(self, word: str) -> ast.Call | None:
        """The decorator of this name that is a call."""
        found = (part for part in self.decorators if isinstance(part, ast.Call) and called_name(part) == word)
        return next(found, None)


class _Reader:
    def __init__(self, source: str) -> None:
        self._layout = Layout(source)
        self._tree = parse(source)
        self._names = Names(self._tree)

    def kernels(self) -> tuple[Kernel, ...]:
        launches = list(self._launches())
        kernels = []
        for name, definition in self._definitions().items():
            own = [launch for called, launch in launches if called == name]
            if own:
                kernels.append(self._kernel(name, definition, own))
        return tuple(kernels)

    def _definitions(self) -> dict[str, _Definition]:
        """Kernels by the name under which they are launched: decorated functions, and `k = triton.jit(f)`."""
        functions = {node.name: node for node in ast.walk(self._tree) if isinstance(node, ast.FunctionDef)}
        found = {
            name: _Definition(node, tuple(node.decorator_list))
            for name, node in functions.items()
            if any(called_name(decorator) == "jit" for decorator in node.decorator_list)
        }
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                decorators, inner = _unwrap(node.value)
                if inner in functions and any(called_name(decorator) == "jit" for decorator in decorators):
                    found[node.targets[0].id] = _Definition(functions[inner], decorators)
        return found

    def _launches(self) -> Iterator[tuple[str, ast.Call]]:
        """Calls of the form kernel[grid](...)."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
                yield called_name(node.func.value), node

    def _kernel(self, name: str, definition: _Definition, launches: list[ast.Call]) -> Kernel:
        loops = any(isinstance(node, ast.For | ast.While) for node in ast.walk(definition.function))
        tuner = definition.named("autotune")
        if tuner is not None:
            return Kernel(name, {}, read_configs(self._layout, self._names, tuner), loops)
        taken = self._set_by_heuristics(definition)
        constants = [parameter for parameter in _constants(definition.function) if parameter not in taken]
        wanted = [*(name for name in DEFAULTS if name not in taken), *constants]
        knobs = {}
        for parameter in wanted:
            found = [self._knob(launch, parameter, definition.function) for launch in launches]
            joined = _joined([knob for knob in found if knob is not None])
            if joined is not None and None not in found:
                knobs[parameter] = joined
        return Kernel(name, knobs, None, loops)

    def _set_by_heuristics(self, definition: _Definition) -> frozenset[str]:
        decorator = definition.named("heuristics")
        if decorator is None:
            return frozenset()
        values = [*decorator.args, *(keyword.value for keyword in decorator.keywords)]
        entries = self._names.entries(values[0]) if values else None
        # What can't be read may set anything.
        return frozenset(entries) if entries is not None else frozenset([*DEFAULTS, *_constants(definition.function)])

    def _knob(self, launch: ast.Call, parameter: str, function: ast.FunctionDef) -> Knob | None:
        """Where one launch decides a parameter; None if it does so beyond what can be rewritten."""
        given, certain = self._given(launch, parameter, function)
        is_block = parameter not in DEFAULTS
        if given is None and is_block and certain:
            given = _default(function, parameter)
        if given is None:
            if is_block or not certain:
                return None
            at, before, behind = self._layout.argument_place(launch)
            return Knob(parameter, DEFAULTS[parameter], (Place(at, at, f"{before}{parameter}=", behind),))
        literal = self._names.integer(given)
        if literal is None:
            # A computed number of warps can be replaced where it is used; a computed block size also shapes the grid.
            return None if is_block else Knob(parameter, None, (self._place(given),))
        value = literal.value
        assert isinstance(value, int)
        places = [self._place(literal)]
        if is_block and literal is given:
            linked = self._grid_places(launch, value)
            if linked is None:
                return None
            places += linked
        return Knob(parameter, value, tuple(places))

    def _given(self, launch: ast.Call, parameter: str, function: ast.FunctionDef) -> tuple[ast.expr | None, bool]:
        """The expression that a launch gives a parameter, and whether it is certain that there is no other."""
        position = next((i for i, argument in enumerate(_positional(function)) if argument.arg == parameter), None)
        certain = True
        for keyword in launch.keywords:
            if keyword.arg == parameter:
                return keyword.value, True
            if keyword.arg is None:
                entries = self._names.entries(keyword.value)
                if entries is not None and parameter in entries:
                    return entries[parameter], True
                certain = certain and entries is not None
        if any(isinstance(argument, ast.Starred) for argument in launch.args):
            return None, parameter in DEFAULTS and certain
        if position is not None and position < len(launch.args):
            return launch.args[position], True
        return None, certain

    def _grid_places(self, launch: ast.Call, value: int) -> list[Place] | None:
        """Divisors in the grid that repeat a literal block size; None if the grid uses the number in another way."""
        assert isinstance(launch.func, ast.Subscript)
        nodes = list(self._names.reachable(launch.func.slice))
        divisors = [
            node.args[1]
            for node in nodes
            if isinstance(node, ast.Call) and called_name(node) == "cdiv" and len(node.args) == 2
        ]
        same = [node for node in divisors if isinstance(node, ast.Constant) and node.value == value]
        others = [
            node
            for node in nodes
            if isinstance(node, ast.Constant)
            and node not in divisors
            and node.value in (value, value - 1)
            and value > 4
        ]
        return None if others else [self._place(node) for node in same]

    def _place(self, node: ast.expr) -> Place:
        return Place(*self._layout.span(node))


def _unwrap(node: ast.expr) -> tuple[tuple[ast.expr, ...], str]:
    """Decorators applied by calls, outermost first, and the function they are applied to."""
    decorators = []
    while isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        decorators.append(node.func)
        node = node.args[0]
    return tuple(decorators), node.id if isinstance(node, ast.Name) else ""


def _positional(function: ast.FunctionDef) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args]


def _default(function: ast.FunctionDef, parameter: str) -> ast.expr | None:
    """The default value of a parameter."""
    arguments = function.args
    positional = _positional(function)
    pairs = [
        *zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return next((default for argument, default in pairs if argument.arg == parameter), None)


def _constants(function: ast.FunctionDef) -> list[str]:
    """Parameters that are compile-time constants and block sizes by their name."""
    marked = [
        argument
        for argument in [*_positional(function), *function.args.kwonlyargs]
        if argument.annotation is not None and called_name(argument.annotation) == "constexpr"
    ]
    return [argument.arg for argument in marked if is_block_size(argument.arg)]


def is_block_size(name: str) -> bool:
    """True for the names that block sizes go by: BLOCK, BLOCK_SIZE, BLOCK_M, BLOCK_SIZE_N, XBLOCK."""
    return "BLOCK" in name.upper()


def _joined(knobs: list[Knob]) -> Knob | None:
    """One knob for all launches."""
    if not knobs:
        return None
    values = {knob.value for knob in knobs}
    places = tuple(dict.fromkeys(place for knob in knobs for place in knob.places))
    return replace(knobs[0], value=values.pop() if len(values) == 1 else None, places=places)
