"""Reading candidate source: parsed in one place, so that everyone sees the same tree and the same errors."""

import ast
import io
import tokenize
import warnings

from candidates.text import neutralise

MAX_DEPTH = 150
"""Deepest nesting of syntax that the rules walk; written code stays below 40, and recursion ends at 1000 frames."""

_QUOTED = 120


class Unparsed(Exception):
    """The source is not a Python module. `problem` is one sentence with the line, `line` counts from 1 (0: unknown)."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


def tidy(source: str) -> str:
    """The source with LF line ends, without a byte-order mark, ending in one newline."""
    text = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return text.rstrip() + "\n"


def parse(source: str) -> ast.Module:
    """Parse a module, whatever warning filters are in force (an invalid escape must not fail under `-W error`).

    Raises:
        Unparsed: it is not valid Python, or nested deeper than anything written by hand.
    """
    if declares_other_encoding(source):
        raise Unparsed("the source declares another encoding than UTF-8, under which it would read differently", 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.removeprefix("\ufeff"))
    except SyntaxError as error:
        raise Unparsed(_describe(error), error.lineno or 0) from error
    except ValueError as error:  # a NUL character, or an integer literal of thousands of digits
        raise Unparsed(f"the source can't be read as Python: {neutralise(str(error))}") from error
    except (RecursionError, MemoryError) as error:
        raise Unparsed("the source is nested too deeply for Python to parse") from error
    if depth(tree) > MAX_DEPTH:
        raise Unparsed(f"the source is nested more than {MAX_DEPTH} levels deep")
    return tree


def declares_other_encoding(source: str) -> bool:
    """True if a coding comment would make Python read the saved file as other text than the one that was parsed."""
    content = source.removeprefix("\ufeff").encode("utf-8", "replace")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:  # an encoding that Python does not know
        return True
    return encoding != "utf-8"


def depth(tree: ast.AST) -> int:
    """Nesting depth of a syntax tree, found without recursion."""
    deepest = 0
    level: list[ast.AST] = [tree]
    while level:
        deepest += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return deepest


def defines_class(tree: ast.Module, name: str) -> bool:
    """True if the module defines the class at its top level (also inside a top-level `if` or `try`)."""
    return any(isinstance(node, ast.ClassDef) and node.name == name for node in _top_level(tree.body))


def _top_level(body: list[ast.stmt]) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for statement in body:
        found.append(statement)
        if isinstance(statement, ast.If | ast.Try):
            inner = [*statement.body, *statement.orelse]
            if isinstance(statement, ast.Try):
                inner += [*statement.finalbody, *(line for handler in statement.handlers for line in handler.body)]
            found += _top_level(inner)
    return found


def _describe(error: SyntaxError) -> str:
    where = f"line {error.lineno}: " if error.lineno else ""
    quoted = (error.text or "").strip()
    if len(quoted) > _QUOTED:
        quoted = quoted[:_QUOTED] + "..."
    return neutralise(f"{where}{error.msg}" + (f": {quoted}" if quoted else ""))
