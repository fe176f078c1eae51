"""The smallest case in which a candidate fails: what its author has to look at, and nothing besides."""

from collections.abc import Sequence
from math import prod

from evaluator.frozen import Frozen

Range = tuple[int, int]
"""Half-open: from the first index to the one after the last."""


class SourceLine(Frozen):
    """A place in the candidate's source. `column` counts from 0; None where only the line is known."""

    line: int  # from 1
    text: str
    column: int | None = None


class WrongTile(Frozen):
    """The first wrong element of an output, in row-major order, and its surroundings.

    `expected` and `actual` are rows of values as text, over `ranges`; all wrong elements lie within `extent`.
    """

    output: int
    shape: tuple[int, ...]
    first: tuple[int, ...]
    wrong: int  # elements
    extent: tuple[Range, ...]
    ranges: tuple[Range, ...]
    expected: tuple[tuple[str, ...], ...]
    actual: tuple[tuple[str, ...], ...]
    program: str = ""  # which program instance covers the first wrong element, one sentence

    @property
    def elements(self) -> int:
        """Of the whole output."""
        return prod(self.shape)


class FailingCase(Frozen):
    """Where a candidate fails, as small as it was found.

    `sizes` are those of the reference (evaluator.shrink) with which it fails like that, `inputs` the tensors that the
    reference then makes; both are empty where no smaller case was looked for.
    """

    sizes: dict[str, int] = {}
    inputs: tuple[str, ...] = ()  # float32[4, 38]
    reason: str = ""
    tile: WrongTile | None = None
    source: SourceLine | None = None


def source_line(source: str, line: object, column: object = None) -> SourceLine | None:
    """That line of a candidate; None if it has no such line. Both numbers may come from a worker: they are claims."""
    lines = source.splitlines()
    if not isinstance(line, int) or not 1 <= line <= len(lines):
        return None
    text = lines[line - 1].rstrip()[:_LONGEST_LINE]
    known = isinstance(column, int) and 0 <= column < len(text)
    return SourceLine(line=line, text=text, column=column if known and isinstance(column, int) else None)


_LONGEST_LINE = 240


def ranges_in_words(ranges: Sequence[Range]) -> str:
    """As one would index them: [0, 48:64]."""
    return "[" + ", ".join(str(low) if high == low + 1 else f"{low}:{high}" for low, high in ranges) + "]"


def lines(case: FailingCase) -> list[str]:
    """The case in lines for people and for models; text of candidates in it is not neutralised."""
    said = []
    if case.inputs:
        sizes = ", ".join(f"{name} = {value}" for name, value in case.sizes.items())
        said.append(f"It fails already for inputs {', '.join(case.inputs)}" + (f" ({sizes})." if sizes else "."))
    if case.reason:
        said.append(f"There: {case.reason}")
    if case.tile is not None:
        said += _tile_lines(case.tile)
    if case.source is not None:
        said.append(f"line {case.source.line}: {case.source.text}")
        if case.source.column is not None:
            said.append(" " * (len(f"line {case.source.line}: ") + case.source.column) + "^")
    return said


def _tile_lines(tile: WrongTile) -> list[str]:
    shape = ", ".join(map(str, tile.shape))
    where = ranges_in_words([(index, index + 1) for index in tile.first])
    extent = ranges_in_words(tile.extent)
    count = f"{tile.wrong} of {tile.elements} elements are wrong"
    said = [f"Output {tile.output} has shape [{shape}]; {count}, all within {extent}, the first at {where}."]
    if tile.program:
        said.append(tile.program)
    said.append(f"{ranges_in_words(tile.ranges)} expected:")
    said += ["  " + "  ".join(row) for row in tile.expected]
    said.append(f"{ranges_in_words(tile.ranges)} got:")
    said += ["  " + "  ".join(row) for row in tile.actual]
    return said
