"""Identity of a candidate: a hash of its syntax tree that does not depend on layout or on the Python version.

The tree is walked in our own canonical form, because `ast.dump` and `ast.unparse` change between Python versions. What
does not affect behaviour is left out: positions, comments, docstrings, `pass`, expression contexts (the position of a
node implies them), the `u` of string literals, type comments, and every field that is absent or empty, so that fields
which newer versions add (`type_params`, `default_value`) change nothing until they are used.

Source that does not parse still has an identity, of its text, under another prefix, so that the two kinds never meet.
See docs/decisions/0003-candidate-identity.md.
"""

import ast
import hashlib
import warnings
from typing import Any

from candidates import syntax

_TREE = b"candidate tree 1\n"
_TEXT = b"candidate text 1\n"

_SILENT_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest(source: str) -> str:
    """SHA-256 (64 hex digits) of what affects the behaviour of `source`.

    Two sources that differ in comments, layout, docstrings or quoting have the same digest. If `source` is not valid
    for the running Python, it is the digest of its text with line ends, trailing blanks and outer blank lines removed.
    """
    tree = None if syntax.declares_other_encoding(source) else _tree(source)
    if tree is None:
        return hashlib.sha256(_TEXT + _plain(source).encode("utf-8", "surrogatepass")).hexdigest()
    return of_tree(tree)


def _tree(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # under `-W error` an invalid escape would be a syntax error
            return ast.parse(source.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def of_tree(tree: ast.AST) -> str:
    """The digest of a syntax tree (64 hex digits), walked without recursion so that no nesting is too deep."""
    hasher = hashlib.sha256(_TREE)
    pending: list[Any] = [tree]
    while pending:
        item = pending.pop()
        if isinstance(item, bytes):
            hasher.update(item)
        elif isinstance(item, ast.AST):
            pending.extend(reversed(_node(item)))
        elif isinstance(item, list):
            pending.extend(reversed([_mark("list", len(item)), *item]))
        else:
            hasher.update(_constant(item))
    return hasher.hexdigest()


def _node(node: ast.AST) -> list[Any]:
    """The parts of a node in prefix order: its type and number of fields, then each field's name and content."""
    if isinstance(node, ast.JoinedStr):
        return [_mark("JoinedStr", 1), _mark("values", 1), _pieces(node.values)]
    fields = [(name, _content(node, name)) for name in sorted(node._fields) if name not in _SILENT_FIELDS]
    told = [(name, content) for name, content in fields if not _empty(node, name, content)]
    parts: list[Any] = [_mark(type(node).__name__, len(told))]
    for name, content in told:
        parts += [_mark(name, 1), content]
    return parts


def _content(node: ast.AST, name: str) -> Any:
    content = getattr(node, name, None)
    if not isinstance(content, list):
        return content
    if name == "body" and isinstance(node, _DOCUMENTED) and content and _is_docstring(content[0]):
        content = content[1:]
    return [item for item in content if not isinstance(item, ast.Pass)]


def _empty(node: ast.AST, name: str, content: Any) -> bool:
    if isinstance(node, ast.Constant) and name == "value":
        return False  # the constant None is content
    return content is None or content == []


def _is_docstring(statement: Any) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _pieces(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, with neighbouring literals joined and empty ones dropped: versions split them apart."""
    joined: list[ast.expr] = []
    for value in values:
        text = value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
        if text is None:
            joined.append(value)
            continue
        last = joined[-1] if joined else None
        if isinstance(last, ast.Constant) and isinstance(last.value, str):
            joined[-1] = ast.Constant(last.value + text)
        elif text:
            joined.append(value)
    return joined


def _constant(value: Any) -> bytes:
    """A constant with its type: 1, 1.0, True, '1' and b'1' all differ, and so do 0.0 and -0.0."""
    match value:
        case None | bool():
            return _mark(repr(value), 0)
        case int():
            return _mark("int", hex(value))  # decimal would run into the limit on digits
        case float():
            return _mark("float", value.hex())
        case complex():
            return _mark("complex", f"{value.real.hex()} {value.imag.hex()}")
        case str():
            return _blob("str", value.encode("utf-8", "surrogatepass"))
        case bytes():
            return _blob("bytes", value)
        case _ if value is Ellipsis:
            return _mark("Ellipsis", 0)
    raise TypeError(f"a syntax tree holds a constant of type {type(value).__name__}")


def _mark(word: str, detail: int | str) -> bytes:
    return f"{word} {detail}\n".encode()


def _blob(kind: str, content: bytes) -> bytes:
    return _mark(kind, len(content)) + content + b"\n"


def _plain(source: str) -> str:
    text = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
