"""One syntax tree out of several that differ in sizes only: where they differ stands a name for the size.

The same reference was compiled at several sizes (`evaluator.generation`). What is the same in all texts is code; a
number that differs is a size, known by the values that it takes, one for each text.
"""

import ast
from collections.abc import Sequence
from typing import Any

Number = int | float
Values = tuple[Number, ...]


class Unrewritable(Exception):
    """The generated code can't be made a candidate; the message says why, in one sentence without its full stop."""


class Holes:
    """The sizes met while merging: by the name that stands in the tree for each, the values that it takes."""

    def __init__(self) -> None:
        self.values: dict[str, Values] = {}

    def name(self, values: Values) -> str:
        """The name for these values; the same for the same."""
        whole = tuple(int(value) if value == int(value) else value for value in values)
        for name, known in self.values.items():
            if known == whole:
                return name
        name = f"size__{len(self.values)}"
        self.values[name] = whole
        return name

    def of(self, node: ast.expr, count: int) -> Values:
        """The values of a merged expression that is a number or a size.

        Raises:
            Unrewritable: it is neither.
        """
        if isinstance(node, ast.Name) and node.id in self.values:
            return self.values[node.id]
        try:
            value = ast.literal_eval(node)
        except ValueError:
            value = None
        if not isinstance(value, int | float):
            raise Unrewritable(f"{ast.unparse(node)} stands where a size was expected")
        return (value,) * count


def merge(nodes: Sequence[Any], holes: Holes, where: str) -> Any:
    """The common tree of nodes that differ in numbers only.

    Args:
        where: what the nodes are, for the message.

    Raises:
        Unrewritable: they differ in more.
    """
    first = nodes[0]
    if any(type(node) is not type(first) for node in nodes):
        raise _differ(where)
    if isinstance(first, ast.Constant):
        return _constant([node.value for node in nodes], holes, where)
    if isinstance(first, list):
        if any(len(node) != len(first) for node in nodes):
            raise _differ(where)
        return [merge(group, holes, where) for group in zip(*nodes, strict=True)]
    if isinstance(first, ast.AST):
        fields = {name: merge([getattr(node, name, None) for node in nodes], holes, where) for name in first._fields}
        return type(first)(**fields)
    if any(node != first for node in nodes):
        raise _differ(where)
    return first


def _constant(values: list[Any], holes: Holes, where: str) -> ast.expr:
    if all(type(value) is type(values[0]) and value == values[0] for value in values):
        return ast.Constant(values[0])
    if all(type(value) in (int, float) for value in values):
        return ast.Name(holes.name(tuple(values)), ast.Load())
    raise _differ(where)


def _differ(where: str) -> Unrewritable:
    return Unrewritable(f"Inductor chooses another form of {where} at sizes a little below the true ones")
