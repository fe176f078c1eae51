"""Where a candidate decides its launch parameters and block sizes, and how it is rewritten to decide otherwise.

Nothing is searched for in the text: places are nodes of the syntax tree, and only their bytes are replaced, so that
comments and layout stay.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from harness.proposers.autotune import DEFAULTS, ConfigList, read_configs
from harness.proposers.edits import Edit, apply
from harness.proposers.form import Form, read_form
from harness.proposers.module import Definition, Launch, Module, constants, positional
from harness.proposers.names import called_name


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
    form: Form = Form()
    divided: frozenset[str] = frozenset()  # block sizes that the grid covers a size with

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what can be set, as the code names them."""
        return (*(self.configs.parameters if self.configs else ()), *self.knobs)

    @property
    def tiled(self) -> frozenset[str]:
        """Block sizes that may change: the kernel, or its grid, covers a size by as many blocks as it takes.

        Any other block may have to cover its dimension in one piece.
        """
        return self.divided | self.form.steps | {self.form.group}

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


class _Reader:
    def __init__(self, source: str) -> None:
        self._module = Module(source)
        self._layout, self._names = self._module.layout, self._module.names

    def kernels(self) -> tuple[Kernel, ...]:
        launches = list(self._module.launches())
        kernels = []
        for name, definition in self._module.definitions().items():
            own = [launch for launch in launches if launch.kernel == name]
            if own:
                kernels.append(self._kernel(name, definition, own))
        return tuple(kernels)

    def _kernel(self, name: str, definition: Definition, launches: list[Launch]) -> Kernel:
        form = read_form(definition.function)
        tuner = definition.named("autotune")
        configs = read_configs(self._layout, self._names, tuner) if tuner is not None else None
        fixed = self._set_by_heuristics(definition) | frozenset(configs.parameters if configs else ())
        wanted = [parameter for parameter in (*DEFAULTS, *_block_sizes(definition.function)) if parameter not in fixed]
        if tuner is not None:  # tuning decides the rest, or what can't be read may
            wanted = [parameter for parameter in wanted if parameter not in DEFAULTS] if configs else []
        knobs = {}
        for parameter in wanted:
            found = [self._knob(launch, parameter, definition.function) for launch in launches]
            joined = _joined([knob for knob in found if knob is not None])
            if joined is not None and None not in found:
                knobs[parameter] = joined
        divided = [self._divides(launch, definition.function) for launch in launches]
        return Kernel(name, knobs, configs, form, frozenset.intersection(*divided) if divided else frozenset())

    def _set_by_heuristics(self, definition: Definition) -> frozenset[str]:
        decorator = definition.named("heuristics")
        if decorator is None:
            return frozenset()
        values = [*decorator.args, *(keyword.value for keyword in decorator.keywords)]
        entries = self._names.entries(values[0]) if values else None
        # What can't be read may set anything.
        return frozenset(entries) if entries is not None else frozenset([*DEFAULTS, *_block_sizes(definition.function)])

    def _knob(self, launch: Launch, parameter: str, function: ast.FunctionDef) -> Knob | None:
        """Where one launch decides a parameter; None if it does so beyond what can be rewritten."""
        given, certain = self._module.given(launch, parameter, function)
        is_block = parameter not in DEFAULTS
        if given is None and is_block and certain:
            given = _default(function, parameter)
        if given is None:
            if is_block or not certain:
                return None
            at, before, behind = self._layout.argument_place(launch.call)
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
            if linked is None or (linked and self._is_repeated(launch, parameter, value, function)):
                return None
            places += linked
        return Knob(parameter, value, tuple(places))

    def _is_repeated(self, launch: Launch, parameter: str, value: int, function: ast.FunctionDef) -> bool:
        """True if another block size has the same value, so that a divisor in the grid could stand for either."""
        others = [name for name in _block_sizes(function) if name != parameter]
        given = [self._module.given(launch, name, function)[0] for name in others]
        found = [self._names.integer(node) for node in given if node is not None]
        return any(literal is not None and literal.value == value for literal in found)

    def _divides(self, launch: Launch, function: ast.FunctionDef) -> frozenset[str]:
        """Block sizes that the launch divides a size by to get its grid: programs cover it, whatever the block."""
        nodes = list(self._names.reachable(launch.grid))
        divisors = [node.args[1] for node in nodes if called_name(node) == "cdiv" and _has_two(node)]
        divisors += [node.right for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv)]
        meant = [self._names.integer(node) for node in divisors]
        keys = {key for node in divisors if (key := _key(node))}
        found = set()
        for name in _block_sizes(function):
            given = self._module.given(launch, name, function)[0]
            literal = self._names.integer(given) if given is not None else None
            value = literal.value if literal is not None else None
            same = value is not None and any(
                one is literal or (one is not None and one in divisors and one.value == value) for one in meant
            )
            if name in keys or same:
                found.add(name)
        return frozenset(found)

    def _grid_places(self, launch: Launch, value: int) -> list[Place] | None:
        """Divisors in the grid that repeat a literal block size; None if the grid uses the number in another way."""
        nodes = list(self._names.reachable(launch.grid))
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


def _has_two(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and len(node.args) == 2


def _key(node: ast.expr) -> str:
    """The word in meta["BLOCK"]."""
    match node:
        case ast.Subscript(slice=ast.Constant(value=str() as word)):
            return word
    return ""


def _default(function: ast.FunctionDef, parameter: str) -> ast.expr | None:
    """The default value of a parameter."""
    arguments = function.args
    given = positional(function)
    pairs = [
        *zip(given[len(given) - len(arguments.defaults) :], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return next((default for argument, default in pairs if argument.arg == parameter), None)


def _block_sizes(function: ast.FunctionDef) -> list[str]:
    """Compile-time constants that are block sizes by their name, or the group of a known order of tiles."""
    grouped = read_form(function).group
    return [name for name in constants(function) if is_block_size(name) or name == grouped]


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
