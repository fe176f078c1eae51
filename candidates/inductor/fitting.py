"""Which expression of tensors' dimensions a size is: found by the values that both take at several sizes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from candidates.inductor.merging import Unrewritable, Values

_FACTORS = (2, 3, 4, 6, 8, 16)
_SHIFTS = range(-8, 9)
_STRIDES = (1, 2, 3, 4)


@dataclass(frozen=True)
class Expression:
    """Python text, and the values that it has at each set of sizes."""

    text: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Shape:
    """The dimensions of a tensor: by dimension, its values at each set of sizes."""

    name: str
    dimensions: tuple[tuple[int, ...], ...]

    @property
    def numel(self) -> tuple[int, ...]:
        return tuple(prod(sizes) for sizes in zip(*self.dimensions, strict=True))


class Fitting:
    """Finds expressions for sizes. Tensors that are known come first in the order of being added."""

    def __init__(self, count: int) -> None:
        self._count = count  # sets of sizes
        self.shapes: list[Shape] = []
        self._found: dict[Values, str] = {}

    def add(self, shape: Shape) -> None:
        """From now on the tensor's dimensions can be used."""
        self.shapes.append(shape)

    def text(self, values: Values) -> str:
        """The expression that takes these values; a literal if they are all the same.

        Args:
            values: at each set of sizes, or at the first ones of them only.

        Raises:
            Unrewritable: no simple expression does.
        """
        return self.expression(values).text

    def expression(self, values: Values) -> Expression:
        """As `text`, with the values at all sets of sizes."""
        if any(value != int(value) for value in values):
            below = tuple(1 / value for value in values)
            if all(abs(value - round(value)) < 1e-6 * value for value in below):
                found = self.expression(tuple(round(value) for value in below))
                return Expression(f"1.0 / ({found.text})", found.values)
            raise _unknown(values)
        if len(set(values)) == 1 and len(values) == self._count:
            return Expression(repr(values[0]), tuple(int(value) for value in values))
        for expression in self._expressions():
            if expression.values[: len(values)] == values:
                return expression
        raise _unknown(values)

    def same_shape(self, sizes: Sequence[Values]) -> str:
        """The name of a tensor that has exactly this shape; empty if none has."""
        return next((shape.name for shape in self.shapes if list(shape.dimensions) == list(sizes)), "")

    def _expressions(self) -> Iterator[Expression]:
        """From the simplest on."""
        single = list(_distinct(self._dimensions()))
        yield from single
        whole = list(_distinct(self._products()))
        yield from whole
        yield from _scaled([*single, *whole])
        pairs = [
            Expression(f"{a.text} * {b.text}", _times(a.values, b.values))
            for index, a in enumerate(single)
            for b in single[index + 1 :]
        ]
        yield from pairs
        yield from _scaled(pairs)
        yield from _strided(single)

    def _dimensions(self) -> Iterator[Expression]:
        for shape in self.shapes:
            for index, values in enumerate(shape.dimensions):
                yield Expression(f"{shape.name}.shape[{index}]", values)

    def _products(self) -> Iterator[Expression]:
        """Of neighbouring dimensions of one tensor."""
        for shape in self.shapes:
            rank = len(shape.dimensions)
            if rank < 2:
                continue
            yield Expression(f"{shape.name}.numel()", shape.numel)
            last = shape.dimensions[-1]
            rows = tuple(whole // size for whole, size in zip(shape.numel, last, strict=True))
            yield Expression(f"{shape.name}.numel() // {shape.name}.shape[{rank - 1}]", rows)
            for start in range(rank):
                for end in range(start + 2, rank + 1):
                    sizes = zip(*shape.dimensions[start:end], strict=True)
                    text = " * ".join(f"{shape.name}.shape[{index}]" for index in range(start, end))
                    yield Expression(text, tuple(prod(size) for size in sizes))


def _distinct(expressions: Iterator[Expression]) -> Iterator[Expression]:
    seen: set[tuple[int, ...]] = set()
    for expression in expressions:
        if expression.values not in seen and len(set(expression.values)) > 1:
            seen.add(expression.values)
            yield expression


def _scaled(expressions: list[Expression]) -> Iterator[Expression]:
    for factor in _FACTORS:
        for expression in expressions:
            text = _closed(expression.text)
            yield Expression(f"{text} * {factor}", tuple(value * factor for value in expression.values))
            if all(value % factor == 0 for value in expression.values):
                yield Expression(f"{text} // {factor}", tuple(value // factor for value in expression.values))


def _strided(single: list[Expression]) -> Iterator[Expression]:
    """What convolutions and pooling make of a dimension: (d + shift) // stride, or d * stride + shift."""
    for expression in single:
        for stride in _STRIDES:
            for shift in _SHIFTS:
                sign = f"{'+' if shift > 0 else '-'} {abs(shift)}"
                down = tuple((value + shift) // stride for value in expression.values)
                yield Expression(f"({expression.text} {sign}) // {stride}", down)
                up = tuple(value * stride + shift for value in expression.values)
                yield Expression(f"{expression.text} * {stride} {sign}", up)


def _closed(text: str) -> str:
    return f"({text})" if " " in text else text


def _times(left: Sequence[int], right: Sequence[int]) -> tuple[int, ...]:
    return tuple(a * b for a, b in zip(left, right, strict=True))


def _unknown(values: Values) -> Unrewritable:
    shown = ", ".join(str(value) for value in values)
    return Unrewritable(f"a size in the generated code is no simple expression of the tensors' dimensions: {shown}")
