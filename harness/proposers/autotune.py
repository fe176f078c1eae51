"""The list of configurations of an autotuned kernel: reading it, and writing a shorter or another one in its place."""

import ast
import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.proposers.edits import Edit, Layout, apply
from harness.proposers.names import Names, called_name, is_int

DEFAULTS = {"num_warps": 4, "num_stages": 3}
"""What Triton takes on NVIDIA GPUs where a launch or a configuration names no value."""

_POSITIONS = {"num_warps": 1, "num_stages": 2}  # of triton.Config's arguments; the first one is the dictionary
_MOST_ITEMS = 512  # of a comprehension that is expanded
_LINE = 100  # characters, beyond which configurations get a line each


@dataclass(frozen=True)
class Config:
    """One configuration: its text, what it sets (None where that is computed), and where each value stands in it."""

    text: str
    values: dict[str, int | None]
    places: dict[str, tuple[int, int, str, str]]  # start, end, what goes before and behind the value
    lead: str = ""  # comment lines above it
    remark: str = ""  # comment behind it

    def having(self, point: Mapping[str, int]) -> str:
        """Its text with other values."""
        edits = []
        for name, value in point.items():
            if self.values.get(name) != value:
                start, end, before, behind = self.places[name]
                edits.append(Edit(start, end, f"{before}{value}{behind}"))
        return apply(self.text, edits)


@dataclass(frozen=True)
class ConfigList:
    """All configurations of a kernel, and the part of the source that lists them."""

    items: tuple[Config, ...]
    start: int
    end: int
    indent: str | None  # of a list with a line for each item, else None
    closes_line: bool = True  # what follows the list's last item begins on a line of its own
    bare: bool = False  # the part is a whole expression, so that the brackets are to be written too

    @property
    def parameters(self) -> tuple[str, ...]:
        """What every configuration sets."""
        return tuple(name for name in self.items[0].places if all(name in item.places for item in self.items))

    def edit(self, points: Sequence[Mapping[str, int]], current: Mapping[str, int]) -> Edit:
        """Lists one configuration a point instead. One that is there already keeps its text and comments.

        What a point leaves open is as in the nearest configuration, of several in the one that is like `current`.
        """
        chosen = [self._item(point, current) for point in points]
        return Edit(self.start, self.end, self._bracketed(chosen) if self.bare else self._lines(chosen))

    def _item(self, point: Mapping[str, int], current: Mapping[str, int]) -> Config:
        def differences(item: Config) -> tuple[int, int]:
            asked = sum(item.values.get(name) != value for name, value in point.items())
            return asked, sum(item.values.get(name) != value for name, value in current.items())

        nearest = min(self.items, key=differences)
        text = nearest.having(point)
        return nearest if text == nearest.text else Config(text, {}, {})

    def _lines(self, chosen: list[Config]) -> str:
        if self.indent is None:
            return ", ".join(item.text for item in chosen)
        lines = []
        for item in chosen:
            lines += [line.strip() for line in item.lead.splitlines() if line.strip()]
            lines.append(f"{item.text},{'  ' + item.remark if item.remark else ''}")
        text = f"\n{self.indent}".join(lines)
        return text if self.closes_line or not chosen[-1].remark else f"{text}\n{self.indent}"

    def _bracketed(self, chosen: list[Config]) -> str:
        texts = [item.text for item in chosen]
        line = f"[{', '.join(texts)}]"
        if len(line) <= _LINE:
            return line
        return "[" + "".join(f"\n{self.indent}    {text}," for text in texts) + f"\n{self.indent}]"


def read_configs(layout: Layout, names: Names, decorator: ast.Call) -> ConfigList | None:
    """The configurations of `@triton.autotune(...)`; None if they can't be listed without running code."""
    given = [keyword.value for keyword in decorator.keywords if keyword.arg == "configs"] or decorator.args[:1]
    node = names.value(given[0]) if given else None
    if isinstance(node, ast.List | ast.Tuple) and node.elts:
        return _from_list(layout, names, node)
    if isinstance(node, ast.ListComp):
        return _from_comprehension(layout, names, node)
    return None


def _from_list(layout: Layout, names: Names, node: ast.List | ast.Tuple) -> ConfigList | None:
    spans = [layout.span(item) for item in node.elts]
    end = layout.span(node)[1] - 1
    gaps = [layout.text(spans[i][1], spans[i + 1][0] if i + 1 < len(spans) else end) for i in range(len(spans))]
    heads = [gap.partition("\n")[0] for gap in gaps]
    leads = ["", *(gap.partition("\n")[2] if "#" in gap.partition("\n")[2] else "" for gap in gaps[:-1])]
    items = []
    for element, lead, head in zip(node.elts, leads, heads, strict=True):
        item = _read_config(layout, names, element, lead, head.lstrip(", \t").rstrip())
        if item is None:
            return None
        items.append(item)
    if isinstance(node, ast.Tuple):  # with one item left its comma would matter
        return ConfigList(tuple(items), *layout.span(node), layout.indentation(spans[0][0]), bare=True)
    broken = "\n" in layout.text(layout.span(node)[0], spans[0][0]) or any("\n" in gap for gap in gaps[:-1])
    indent = layout.indentation(spans[0][0]) if broken else None
    return ConfigList(tuple(items), spans[0][0], spans[-1][1] + len(heads[-1].encode()), indent, "\n" in gaps[-1])


def _read_config(layout: Layout, names: Names, node: ast.expr, lead: str, remark: str) -> Config | None:
    if not isinstance(node, ast.Call) or called_name(node) != "Config":
        return None
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    constants = node.args[0] if node.args else keywords.get("kwargs")
    entries = names.entries(constants) if constants is not None else {}
    if entries is None or None in keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
        return None
    start, end = layout.span(node)
    settings = dict(entries) if constants is None or names.value(constants) is constants else {}
    for name, position in _POSITIONS.items():
        found = keywords.get(name, node.args[position] if len(node.args) > position else None)
        if found is not None:
            settings[name] = found
    values: dict[str, int | None] = {}
    places = {}
    for name, value in settings.items():
        literal = names.integer(value)
        values[name] = literal.value if literal is not None and isinstance(literal.value, int) else None
        first, last = layout.span(value)
        places[name] = (first - start, last - start, "", "")
    at, before, behind = layout.argument_place(node)
    for name, default in DEFAULTS.items():
        if name not in values:
            values[name] = default
            places[name] = (at - start, at - start, f"{before}{name}=", behind)
    return Config(layout.text(start, end), values, places, lead, remark)


def _from_comprehension(layout: Layout, names: Names, node: ast.ListComp) -> ConfigList | None:
    """The list that a comprehension over literal values stands for."""
    texts = list(itertools.islice(_expand(names, node), _MOST_ITEMS + 1))
    if not texts or len(texts) > _MOST_ITEMS:
        return None
    items = []
    for text in texts:
        item = ast.parse(text, mode="eval").body
        config = _read_config(Layout(text), names, item, "", "")
        if config is None or None in config.values.values():
            return None
        items.append(config)
    start, end = layout.span(node)
    return ConfigList(tuple(items), start, end, layout.indentation(start), bare=True)


def _expand(names: Names, node: ast.ListComp) -> Iterator[str]:
    loops = []
    for generator in node.generators:
        values = names.value(generator.iter)
        if not isinstance(generator.target, ast.Name) or generator.ifs or not isinstance(values, ast.List | ast.Tuple):
            return
        if not all(is_int(value) for value in values.elts):
            return
        loops.append([(generator.target.id, value) for value in values.elts])
    for chosen in itertools.product(*loops):
        element = _Substitution(dict(chosen)).visit(copy.deepcopy(node.elt))
        yield ast.unparse(element)


class _Substitution(ast.NodeTransformer):
    """Puts literal values in the place of the variables of a comprehension."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The value that the name stands for."""
        return self._values.get(node.id, node)
