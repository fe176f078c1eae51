"""Which tile of which matrix a load or store of a kernel means, where pointers and masks are of the usual form.

    base + rows[:, None] * stride + columns[None, :]        masked by (rows[:, None] < M) & (columns[None, :] < N)

`rows` and `columns` are what is the same for a whole program plus tl.arange(0, SIZE), or that modulo the bound; names
that are bound once are read as what they stand for. A tile whose contiguous axis comes first is the transpose of one.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

from harness.proposers.module import Module, NotRecognised, constants, is_tl, positional

_DEPTH = 8  # of names that stand for names
_INTEGERS = ("int32", "int64")


@dataclass(frozen=True)
class Axis:
    """One axis of a block: the terms of the index where it begins, and the name of its size."""

    begin: tuple[str, ...]
    size: str

    def moved(self, *terms: str) -> "Axis":
        """The same with more terms."""
        return Axis(tuple(sorted((*self.begin, *terms))), self.size)


@dataclass(frozen=True)
class Matrix:
    """What is addressed: a pointer, and by axis, the contiguous one last, bounds and the block's sizes.

    All are names of the kernel's parameters; `stride` is that of the first axis.
    """

    base: str
    stride: str
    bounds: tuple[str, str]
    sizes: tuple[str, str]


@dataclass(frozen=True)
class Tile:
    """A block of a matrix: where it begins, an expression for each axis. `turned` if the code holds its transpose."""

    matrix: Matrix
    begins: tuple[str, str]
    turned: bool


class Tiles:
    """The tiles that one kernel loads and stores."""

    def __init__(self, module: Module, function: ast.FunctionDef) -> None:
        self._parameters = {argument.arg for argument in positional(function)}
        self._names = module.names
        self._function = function
        self._constants = frozenset(constants(function))

    def of(self, pointer: ast.expr, mask: ast.expr | None) -> Tile | None:
        """The tile behind a pointer; None if what it points to is not a block of two axes.

        Raises:
            NotRecognised: it is one, and not of the form that is understood.
        """
        inlined = self._inlined(pointer)
        parts = [inlined] if mask is None else [inlined, self._inlined(mask)]
        if not any(isinstance(node, ast.Subscript) for part in parts for node in ast.walk(part)):
            return None
        axes: dict[int, tuple[Axis, str]] = {}  # with the bound of an index that is taken modulo
        strides: dict[int, str] = {}
        scalars: list[ast.expr] = []
        for term in _flat(inlined, ast.Add):
            placed = self._placed(term)
            if placed is None:
                scalars.append(term)
                continue
            at, axes[at], strides[at] = placed
        contiguous = [at for at, stride in strides.items() if not stride]
        if axes.keys() != {0, 1} or len(contiguous) != 1:
            raise NotRecognised
        last = contiguous[0]
        base, offsets = self._based(scalars)
        found = {at: axis for at, (axis, _) in axes.items()}
        found[last] = found[last].moved(*offsets)
        bounds = {at: bound for at, (_, bound) in axes.items() if bound} | self._bounds(mask, found)
        if bounds.keys() != {0, 1}:
            raise NotRecognised
        order = (1 - last, last)
        stride = strides[order[0]]
        self._require_parameters(stride, *bounds.values())
        matrix = Matrix(base, stride, _pair(bounds, order), (found[order[0]].size, found[last].size))
        begins = {at: " + ".join(axis.begin) or "0" for at, axis in found.items()}
        return Tile(matrix, _pair(begins, order), turned=last == 0)

    def _placed(self, term: ast.expr) -> tuple[int, tuple[Axis, str], str] | None:
        """Axis, index and stride of a term of a pointer; None for a scalar."""
        factors = list(_flat(term, ast.Mult))
        blocks = [factor for factor in factors if isinstance(factor, ast.Subscript)]
        if not blocks:
            return None
        if len(blocks) != 1:
            raise NotRecognised
        block = blocks[0]
        inner = list(_flat(block.value, ast.Mult))
        index = [factor for factor in inner if _has_range(factor)]
        rest = [factor for factor in (*factors, *inner) if factor is not block and factor not in index]
        if len(index) != 1 or len(rest) > 1:
            raise NotRecognised
        return _direction(block), self._axis(index[0]), "".join(map(ast.unparse, rest))

    def _axis(self, node: ast.expr) -> tuple[Axis, str]:
        match node:
            case ast.BinOp(left=left, op=ast.Mod(), right=bound):
                return self._axis(left)[0], ast.unparse(bound)
        terms = list(_flat(node, ast.Add))
        ranges = [term for term in terms if is_tl(term, "arange")]
        match ranges:
            case [ast.Call(args=[ast.Constant(value=0), ast.Name(id=size)], keywords=[])] if size in self._constants:
                rest = [term for term in terms if term is not ranges[0]]
                if not any(isinstance(part, ast.Subscript) or _has_range(part) for part in rest):
                    return Axis((), size).moved(*map(ast.unparse, rest)), ""
        raise NotRecognised

    def _based(self, scalars: list[ast.expr]) -> tuple[str, list[str]]:
        """The pointer among the terms that are no blocks, and what is added to it along the contiguous axis."""
        bases = [term.id for term in scalars if isinstance(term, ast.Name) and term.id in self._parameters]
        if len(bases) != 1 or bases[0] in self._constants:
            raise NotRecognised
        return bases[0], [said for term in scalars if (said := ast.unparse(term)) != bases[0]]

    def _bounds(self, mask: ast.expr | None, axes: dict[int, Axis]) -> dict[int, str]:
        found: dict[int, str] = {}
        for part in _flat(self._inlined(mask), ast.BitAnd) if mask is not None else ():
            at, axis, bound = self._bounded(part)
            if axis != axes[at] or at in found:
                raise NotRecognised
            found[at] = bound
        return found

    def _bounded(self, part: ast.expr) -> tuple[int, Axis, str]:
        """Axis, index and bound of `(rows < M)[:, None]` and of `rows[:, None] < M`."""
        match part:
            case ast.Subscript(value=ast.Compare(left=left, ops=[ast.Lt()], comparators=[bound])):
                return _direction(part), self._axis(left)[0], ast.unparse(bound)
            case ast.Compare(left=left, ops=[ast.Lt()], comparators=[bound]):
                terms = list(_flat(left, ast.Add))
                blocks = [term for term in terms if isinstance(term, ast.Subscript)]
                if len(blocks) == 1:
                    others = [ast.unparse(term) for term in terms if term is not blocks[0]]
                    axis, _ = self._axis(blocks[0].value)
                    return _direction(blocks[0]), axis.moved(*others), ast.unparse(bound)
        raise NotRecognised

    def _inlined(self, node: ast.expr, depth: int = _DEPTH) -> ast.expr:
        """An expression with names replaced by what they stand for, and conversions of indices left away."""
        match node:
            case ast.Name(id=name) if depth and name not in self._parameters:
                values = self._names.bound(self._function, name)
                return self._inlined(values[0], depth - 1) if len(values) == 1 and values[0] is not None else node
            case ast.Call(func=ast.Attribute(value=inner, attr="to"), args=[ast.Attribute(attr=kind)], keywords=[]) if (
                kind in _INTEGERS
            ):
                return self._inlined(inner, depth)
        made = copy.copy(node)
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(made, name, self._inlined(value, depth))
            elif isinstance(value, list):
                parts = [self._inlined(each, depth) if isinstance(each, ast.expr) else each for each in value]
                setattr(made, name, parts)
        return made

    def _require_parameters(self, *words: str) -> None:
        if not all(word in self._parameters - self._constants for word in words):
            raise NotRecognised


def _flat(node: ast.expr, operator: type[ast.operator]) -> Iterator[ast.expr]:
    """The terms of a sum, the factors of a product, the parts of a conjunction."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, operator):
        yield from _flat(node.left, operator)
        yield from _flat(node.right, operator)
    else:
        yield node


def _direction(block: ast.Subscript) -> int:
    """The axis along which a line of indices lies: 0 for [:, None], 1 for [None, :]."""
    match block.slice:
        case ast.Tuple(elts=[ast.Slice(lower=None, upper=None, step=None), ast.Constant(value=None)]):
            return 0
        case ast.Tuple(elts=[ast.Constant(value=None), ast.Slice(lower=None, upper=None, step=None)]):
            return 1
    raise NotRecognised


def _has_range(node: ast.expr) -> bool:
    return any(is_tl(part, "arange") for part in ast.walk(node))


def _pair(values: dict[int, str], order: tuple[int, int]) -> tuple[str, str]:
    return values[order[0]], values[order[1]]
