"""The small language in which stage rules state their conditions: comparisons over named facts.

    registers < 96 and spill_bytes == 0
    registers > 128 or register_limited
    status == "wrong_output" and not measured

Names stand for facts; literals are numbers, quoted words, True and False. There are `<`, `<=`, `>`, `>=`, `==`, `!=`
(chained as in Python), `and`, `or`, `not` and parentheses, and nothing else: an expression is data, parsed with `ast`
and walked against a list of allowed nodes, never compiled or run.

Truth has three values. A fact that is absent or None was not measured, and what depends on it is None ("unknown")
unless the rest decides: False and unknown is False, True or unknown is True.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from evaluator.errors import UsageError

Facts = Mapping[str, Any]
Kind = Literal["number", "word", "flag"]
"""What a fact can hold: an int or float, a str, a bool."""

_COMPARISONS: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
}
_OPPOSITES = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_REMEDY = "Conditions are comparisons of fact names with numbers or quoted words, joined by and, or, not."
_MAX_CHARS = 400  # deeper nesting than any rule needs, far from the parser's own limits


class ConditionError(UsageError):
    """The expression is not one of this language, or compares what can't be compared."""


def evaluate(expression: str, facts: Facts) -> bool | None:
    """True, False, or None if facts that would decide it are missing. The empty expression always holds.

    Raises:
        ConditionError: the expression does not parse, or a fact holds another kind of value than it is compared with.
    """
    return True if not expression.strip() else _truth(_parse(expression), facts)


def names(expression: str) -> frozenset[str]:
    """The facts that the expression speaks of.

    Raises:
        ConditionError: the expression does not parse.
    """
    if not expression.strip():
        return frozenset()
    return frozenset(node.id for node in ast.walk(_parse(expression)) if isinstance(node, ast.Name))


def evidence(expression: str, facts: Facts) -> str:
    """The values that decide the expression, each as a true statement: "registers 140 >= 96". Empty if there is none.

    Of a conjunction that fails only the failing parts are named, of a disjunction that holds only the holding ones.

    Raises:
        ConditionError: as for `evaluate`.
    """
    if not expression.strip():
        return ""
    parts = _deciding(_parse(expression), facts, positive=True)
    return ", ".join(dict.fromkeys(parts))


def explain(expression: str, facts: Facts) -> str:
    """One line for people: "registers 48 < 96, spill_bytes 0 == 0: applies", or "sm_throughput unknown".

    Raises:
        ConditionError: as for `evaluate`.
    """
    value = evaluate(expression, facts)
    said = evidence(expression, facts)
    if value is None:
        return said
    outcome = "applies" if value else "does not apply"
    return f"{said}: {outcome}" if said else "always applies"


def check(expression: str, kinds: Mapping[str, Kind]) -> None:
    """Check names and types without evaluating, so that a branch that is never reached is checked too.

    Raises:
        ConditionError: the expression does not parse, names a fact that is not in `kinds`, orders words or flags,
            compares different kinds, or uses a number or word where truth is needed.
    """
    if expression.strip():
        _require_truth(_parse(expression), kinds)


def show(value: Any) -> str:
    """A fact as text: words quoted, whole floats without a fraction, others to six significant digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.6g}"
    return str(value)


def _parse(expression: str) -> ast.expr:
    if len(expression) > _MAX_CHARS:
        raise ConditionError(f"a condition of {len(expression)} characters is too long", _REMEDY)
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConditionError(f"the condition {expression!r} does not parse: {error}", _REMEDY) from error
    _require_allowed(tree, expression)
    return tree


def _require_allowed(node: ast.expr, expression: str) -> None:
    match node:
        case ast.BoolOp(values=parts):
            operands = parts
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            operands = [inner]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if (
            type(value) is not bool
        ):
            return
        case ast.Compare(left=left, ops=ops, comparators=comparators) if all(type(op) in _COMPARISONS for op in ops):
            operands = [left, *comparators]
        case ast.Name():
            return
        case ast.Constant(value=bool() | int() | float() | str()):
            return
        case _:
            raise ConditionError(
                f"the condition {expression!r} uses {ast.unparse(node)!r}, which is not allowed", _REMEDY
            )
    for operand in operands:
        _require_allowed(operand, expression)


def _truth(node: ast.expr, facts: Facts) -> bool | None:
    match node:
        case ast.BoolOp(op=joint, values=parts):
            return _joined([_truth(part, facts) for part in parts], conjunction=isinstance(joint, ast.And))
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            value = _truth(inner, facts)
            return None if value is None else not value
        case ast.Compare():
            return _joined([holds for _, _, _, holds in _links(node, facts)], conjunction=True)
        case _:
            value = _value(node, facts)
            if value is not None and not isinstance(value, bool):
                raise ConditionError(f"{ast.unparse(node)} is {show(value)}, neither true nor false", _REMEDY)
            return value


def _joined(values: list[bool | None], *, conjunction: bool) -> bool | None:
    decisive = not conjunction
    if decisive in values:
        return decisive
    return None if None in values else conjunction


def _links(node: ast.Compare, facts: Facts) -> Iterator[tuple[ast.expr, str, ast.expr, bool | None]]:
    """Each link of a comparison, `a < b < c` being two of them: left, sign, right, whether it holds."""
    left = node.left
    for op, right in zip(node.ops, node.comparators, strict=True):
        sign, compare = _COMPARISONS[type(op)]
        first, second = _value(left, facts), _value(right, facts)
        if first is None or second is None:
            yield left, sign, right, None
        elif (problem := _mismatch(_kind_of(first), _kind_of(second), sign)) is not None:
            raise ConditionError(f"{ast.unparse(node)} {problem}", _REMEDY)
        else:
            yield left, sign, right, compare(first, second)
        left = right


def _value(node: ast.expr, facts: Facts) -> Any:
    match node:
        case ast.Name(id=name):
            return facts.get(name)
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case _:
            return _truth(node, facts)


def _deciding(node: ast.expr, facts: Facts, *, positive: bool) -> list[str]:
    match node:
        case ast.BoolOp(values=parts):
            value = _truth(node, facts)
            chosen = [part for part in parts if value is None or _truth(part, facts) is value]
            return [text for part in chosen for text in _deciding(part, facts, positive=positive)]
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return _deciding(inner, facts, positive=not positive)
        case ast.Compare():
            return _deciding_links(node, facts)
        case ast.Name(id=name):
            value = facts.get(name)
            return [f"{name} unknown" if value is None else f"{name} is {show(value)}"]
        case _:
            return []


def _deciding_links(node: ast.Compare, facts: Facts) -> list[str]:
    links = list(_links(node, facts))
    whole = _joined([holds for *_, holds in links], conjunction=True)
    said = []
    for left, sign, right, holds in links:
        if whole is False and holds is not False:
            continue
        if holds is None:
            said += [
                f"{side.id} unknown"
                for side in (left, right)
                if isinstance(side, ast.Name) and facts.get(side.id) is None
            ]
        else:
            said.append(f"{_stated(left, facts)} {sign if holds else _OPPOSITES[sign]} {_stated(right, facts)}")
    return said


def _stated(node: ast.expr, facts: Facts) -> str:
    value = show(_value(node, facts))
    return f"{node.id} {value}" if isinstance(node, ast.Name) else value


def _require_truth(node: ast.expr, kinds: Mapping[str, Kind]) -> None:
    match node:
        case ast.BoolOp(values=parts):
            for part in parts:
                _require_truth(part, kinds)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            _require_truth(inner, kinds)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [_static_kind(side, kinds) for side in (left, *comparators)]
            for op, first, second in zip(ops, sides, sides[1:], strict=False):
                if (problem := _mismatch(first, second, _COMPARISONS[type(op)][0])) is not None:
                    raise ConditionError(f"{ast.unparse(node)} {problem}", _REMEDY)
        case _:
            if _static_kind(node, kinds) != "flag":
                raise ConditionError(f"{ast.unparse(node)} alone is neither true nor false", _REMEDY)


def _static_kind(node: ast.expr, kinds: Mapping[str, Kind]) -> Kind:
    match node:
        case ast.Name(id=name):
            if name not in kinds:
                raise ConditionError(f"no fact is called {name!r}", _REMEDY)
            return kinds[name]
        case ast.Constant(value=value):
            return _kind_of(value)
        case ast.UnaryOp(op=ast.USub()):
            return "number"
        case _:
            _require_truth(node, kinds)
            return "flag"


def _kind_of(value: Any) -> Kind:
    if isinstance(value, bool):
        return "flag"
    return "word" if isinstance(value, str) else "number"


def _mismatch(first: Kind, second: Kind, sign: str) -> str | None:
    if first != second:
        return f"compares a {first} with a {second}"
    if first != "number" and sign not in ("==", "!="):
        return f"orders {first}s, which have no order"
    return None
