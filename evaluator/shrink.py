"""Small sizes for a reference file: find and override its integers in the syntax tree.

A size is a module-level name bound to an integer written out (`BATCH = 32`, `N: int = 2**12`), also in a tuple
assignment (`M, N = 64, 128`), or an element of a tuple or list of such integers (`shape = (128, 4000)`, named
`shape[0]` and `shape[1]`). Or it is an integer that only `get_inputs` and `get_init_inputs` write out
(`torch.randn(256, WIDTH)`, named `256 in get_inputs`): what else the file says of the module does not depend on it.
Only the integers themselves are rewritten, so that everything derived from them follows. Nothing is executed.
"""

import ast
import math
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from evaluator.errors import UsageError

SMALL = 8  # kernel sizes, strides, paddings, groups: shrinking these changes what is computed, not how much
CAPS = (2, 4, 8, 16, 32, 64, 128, 256)
_MAKERS = ("get_inputs", "get_init_inputs")
LARGEST = 2**31  # folded expressions beyond this are no sizes
AS_IT_IS = 2**16  # a file whose integers multiply to no more than this needs no shrinking

_FOLDED: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


@dataclass(frozen=True)
class _Place:
    """Where one integer stands in the source: its name, value and expression."""

    name: str
    value: int
    node: ast.expr


def integers(source: str) -> dict[str, int]:
    """The sizes of `source`, named, in order of appearance.

    Raises:
        SyntaxError: `source` does not parse.
    """
    return {place.name: place.value for place in _places(source)}


def changeable(source: str) -> dict[str, int]:
    """The integers that are sizes rather than kernel sizes, strides or counts of groups, by their value.

    Raises:
        SyntaxError: `source` does not parse.
    """
    return {name: value for name, value in integers(source).items() if value > SMALL}


def named(source: str) -> dict[str, int]:
    """Those of `changeable` that have a name at module level.

    Raises:
        SyntaxError: `source` does not parse.
    """
    return {place.name: place.value for place in _named(ast.parse(source).body) if place.value > SMALL}


def override_integers(source: str, values: dict[str, int]) -> str:
    """`source` with the named integers replaced, everywhere they are bound; all else stays as it is.

    Raises:
        SyntaxError: `source` does not parse.
        UsageError: a name is none of `integers(source)`.
    """
    places = _places(source)
    known = {place.name for place in places}
    for name in values:
        if name not in known:
            offered = ", ".join(sorted(known)) or "it has none"
            raise UsageError(
                f"the reference has no size called {name}",
                f"Sizes can only be set for integers that are written at module level or in get_inputs: {offered}.",
            )
    return _rewrite(source, ((place.node, str(values[place.name])) for place in places if place.name in values))


def shrinkings(source: str) -> Iterator[dict[str, int]]:
    """Small sizes to try on a reference that nobody has described, at most 53.

    A file in which even the product of all integers is small comes first as it is, with nothing overridden; any other
    one comes last. Between these come rounds from the smallest cap up, of all sizes, then of those with a name: what is
    written out may be fixed by what a module does. Up to the cap of each round, equal integers stay equal, and those up
    to 8 are never touched. Within a round come first sizes that differ where the originals do and are ragged where the
    originals are (a kernel that confuses two dimensions or forgets a mask is seen then), next powers of two that
    differ, last everything cut to the cap. After them only the first size is cut: often the batch, and the only one
    that a strict architecture leaves free.

    Raises:
        SyntaxError: `source` does not parse.
    """
    sizes = changeable(source)
    small = math.prod(_literals(source)) <= AS_IT_IS
    if small:
        yield {}
    tried: list[dict[str, int]] = []
    for candidate in (*_rounds(sizes), *_rounds(named(source)), *_cuts(sizes)):
        if candidate and candidate != sizes and candidate not in tried:
            tried.append(candidate)
            yield candidate
    if not small:
        yield {}


def _rounds(sizes: dict[str, int]) -> Iterator[dict[str, int]]:
    distinct = sorted(set(sizes.values()))
    for cap in CAPS:
        powers = {value: min(value, cap << rank) for rank, value in enumerate(distinct)}
        ragged = {value: min(value, _ragged(power, value)) for value, power in powers.items()}
        for chosen in (ragged, powers, {value: min(value, cap) for value in distinct}):
            yield {name: chosen[value] for name, value in sizes.items()}


def _cuts(sizes: dict[str, int]) -> Iterator[dict[str, int]]:
    for cap in CAPS[:3]:
        yield {name: min(value, cap) for name, value in list(sizes.items())[:1]}


def _literals(source: str) -> Iterator[int]:
    """All positive integers written anywhere in the source, within functions too."""
    for _, value in _integers(ast.parse(source).body):
        if value > 0:
            yield min(value, LARGEST)


def _ragged(power: int, original: int) -> int:
    """A size near `power` that is odd, even or a power of two as `original` is."""
    if original & (original - 1) == 0:
        return power
    return power + 1 if original % 2 else power + power // 2


def _places(source: str) -> list[_Place]:
    body = ast.parse(source).body
    return [*_named(body), *_written(body)]


def _named(body: list[ast.stmt]) -> Iterator[_Place]:
    for statement in body:
        yield from _bound(statement)


def _written(body: list[ast.stmt]) -> Iterator[_Place]:
    """Integers that those functions write out which make inputs, and nothing else; equal ones are one size."""
    makers = [each for each in body if isinstance(each, ast.FunctionDef) and each.name in _MAKERS]
    elsewhere = {value for _, value in _integers(each for each in body if each not in makers)}
    names: dict[int, str] = {}
    for maker in makers:
        for node, value in _integers([maker]):
            if value > SMALL and value not in elsewhere:
                yield _Place(names.setdefault(value, f"{value} in {maker.name}"), value, node)


def _integers(statements: Iterable[ast.stmt]) -> Iterator[tuple[ast.Constant, int]]:
    """All that are written anywhere in these statements."""
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            yield node, node.value


def _bound(statement: ast.stmt) -> Iterator[_Place]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _pair(target, statement.value)
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield from _pair(statement.target, statement.value)


def _pair(target: ast.expr, value: ast.expr) -> Iterator[_Place]:
    """The integers that `target = value` binds."""
    if isinstance(target, ast.Name):
        whole = _fold(value)
        if whole is not None:
            yield _Place(target.id, whole, value)
        elif isinstance(value, ast.Tuple | ast.List):
            for index, element in enumerate(value.elts):
                yield from _pair(ast.Name(f"{target.id}[{index}]"), element)
    elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        starred = any(isinstance(element, ast.Starred) for element in (*target.elts, *value.elts))
        if not starred and len(target.elts) == len(value.elts):
            for left, right in zip(target.elts, value.elts, strict=True):
                yield from _pair(left, right)


def _fold(node: ast.expr) -> int | None:
    """The value of an expression of integer literals; None if it is anything else, or no plausible size."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _fold(node.left), _fold(node.right)
    if left is None or right is None:
        return None
    value: int | None = None
    if isinstance(node.op, ast.Pow | ast.LShift):
        if 0 <= right < 64 and 0 <= left < LARGEST:  # a bound before the work: the source is only data here
            value = left**right if isinstance(node.op, ast.Pow) else left << right
    elif type(node.op) in _FOLDED and not (isinstance(node.op, ast.FloorDiv) and right == 0):
        value = _FOLDED[type(node.op)](left, right)
    return value if value is not None and 0 <= value < LARGEST else None


def _rewrite(source: str, edits: Iterable[tuple[ast.expr, str]]) -> str:
    """Replace expressions by text. Positions in a syntax tree are lines and byte offsets in UTF-8."""
    lines = source.encode().splitlines(keepends=True)
    last_first = sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True)
    done: set[tuple[int, int]] = set()  # `A = B = 4` binds two names in one place
    for node, text in last_first:
        position = (node.lineno, node.col_offset)
        if position in done:
            continue
        done.add(position)
        end_line = node.end_lineno or node.lineno
        head = lines[node.lineno - 1][: node.col_offset]
        tail = lines[end_line - 1][node.end_col_offset :]
        lines[node.lineno - 1 : end_line] = [head + text.encode() + tail]
    return b"".join(lines).decode()


def halvings(sizes: dict[str, int]) -> Iterator[dict[str, int]]:
    """The sizes with those of one value lowered, largest value first: to 1, then to a half. Equal sizes stay equal."""
    for value in sorted(set(sizes.values()), reverse=True):
        for lower in dict.fromkeys((1, value // 2)):
            if 1 <= lower < value:
                yield {name: lower if size == value else size for name, size in sizes.items()}


def descend(sizes: dict[str, int], fails: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """The smallest sizes reached by lowering one value after the other as long as `fails` says that it still fails.

    `fails` is asked about each set of sizes once. It may answer no to end the search early.
    """
    asked: list[dict[str, int]] = [sizes]
    lowered = True
    while lowered:
        lowered = False
        for smaller in halvings(sizes):
            if smaller in asked:
                continue
            asked.append(smaller)
            if fails(smaller):
                sizes, lowered = smaller, True
                break
    return sizes
