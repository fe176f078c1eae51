"""Identity: the same for the same behaviour, on every Python; different for everything that behaves differently."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from candidates import identity

KERNEL = """
import torch, triton
import triton.language as tl

@triton.jit
def scale(x, y, n, S: tl.constexpr = 2.0, B: tl.constexpr = 128):
    at = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(y + at, tl.load(x + at, mask=at < n, other=-0.0) * S, mask=at < n)

class ModelNew(torch.nn.Module):
    def forward(self, x, *, out=None, **rest):
        y = torch.empty_like(x) if out is None else out
        if (n := x.numel()) == 0: raise ValueError(f"empty {x.shape!r:>{10}} of {n=}" "!")
        scale[(triton.cdiv(n, 128),)](x, y, n)
        return {"y": y, **rest, None: (..., 1j, b"b", 0x10, None)}["y"]
"""

# Digests of the canonical form, fixed for good: results are found by them in stores written by other versions.
GOLDEN = {
    "": "22be81b963fa023c66845d3c382248f184171f4fa8bb9b4be49238c40989acb8",
    "x = 1": "3bcef859593f7e6fb200ba847ad5e33d6d3c855e64ca4a678d7cbfc6e8943a6d",
    KERNEL: "36b613cd56f17ed367894610dcf0a5c9dacc45eb8a106f8714921d6fe6217669",
    "def f(": "16785d59c76563d3303c767e43ccb61d574f333085400ffe221db41cd6bb055e",
}


def test_digests_never_change() -> None:
    assert {source: identity.digest(source) for source in GOLDEN} == GOLDEN


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_agrees(version: str) -> None:
    python = _interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); from candidates import identity;"
        "print(json.dumps([identity.digest(s) for s in json.load(sys.stdin)]))"
    )
    root = str(Path(identity.__file__).parents[1])
    sources = [*GOLDEN, *SAME[0], *FSTRINGS]
    done = subprocess.run(
        [python, "-c", code, root], input=json.dumps(sources), capture_output=True, text=True, timeout=30, check=True
    )
    assert json.loads(done.stdout) == [identity.digest(source) for source in sources]


def _interpreter(version: str) -> str | None:
    """Path of a working interpreter of that version: on the PATH, or among pyenv's."""
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".")):
        return sys.executable
    found = [shutil.which(f"python{version}")]
    found += [str(path) for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for path in filter(None, found):
        if subprocess.run([path, "-c", "import ast"], capture_output=True, timeout=30, check=False).returncode == 0:
            return path
    return None


FSTRINGS = (
    'f"{x:}"',
    'f"{x!r:>{w}.{p}f} {{literal}}" "tail" f"{y}"',
    '"a" f"b" "c" f"{x}" "d" ""',
    "f'{x = !s:^10}'",
    'f"\\N{BULLET} \\n {x:\\n} \\x41"',
    "f'''a\n{x\n}b'''",
    "rf'\\d{x}\\d'",
)

SAME = (
    (
        "def f(a):\n    return a + 16\n",
        "def f(a):\r\n    return a + 16\r\n",
        "\ufeffdef f(a):\n\n    # a comment\n    return (a +\n      0x10)   \n\n",
        'def f(a):\n    "Adds."\n    return a + 1_6',
        "def f(a):\n    pass\n    return a + 16",
    ),
    ("x = 'a'", 'x = "a"', "x = u'a'", "x = ('a')", "x = '''a'''", "x = '\\x61'"),
    ("class A:\n  pass", 'class A:\n  "A."', 'class A:\n  """A.\n  """\n  pass'),
    ("async def f():\n  return 1", "async def f():\n  'doc'\n  return 1"),
    ("import os", '"module docstring"\nimport os'),
    ("x = f'a{b}'", "x = f'a' f'{b}'", "x = 'a' f'{b}'"),
    ("x = '\\d'", "x = r'\\d'"),  # an invalid escape warns; the warning is not part of the source
)


@pytest.mark.parametrize("group", SAME)
def test_layout_and_documentation_do_not_count(group: tuple[str, ...]) -> None:
    assert len({identity.digest(source) for source in group}) == 1


DIFFERENT = (
    ("x = 1", "x = 1.0", "x = True", "x = '1'", "x = b'1'", "x = 1j", "x = None", "x = ...", "x = -1", "x: int = 1"),
    ("x = 0.0", "x = -0.0", "x = 0", "x = False", "x = 0j", "x = ''", "x = b''", "x = ()", "x = []", "x = {}"),
    ("x = 1e999", "x = -1e999", "x = 1e308"),
    ("f(a)", "f(*a)", "f(**a)", "f(a=a)", "f[a]", "f[a:]", "f[:a]", "f[::a]", "f[a,]"),
    ("def f(a, /, b): ...", "def f(a, b, /): ...", "def f(a, *, b): ...", "def f(a, b): ..."),
    ("def f(*, a=None, b): ...", "def f(*, a, b=None): ..."),
    ("{**a, 'b': c}", "{'b': c, **a}", "{None: a, 'b': c}"),
    ("from . import x", "from .. import x", "import x", "from x import x"),
    ("f'a{b}'", "f'{b}a'", "f'a{b!r}'", "f'a{b:c}'", "'a{b}'"),
    ("x = 'docstring'\n", "'docstring'\nx = 'docstring'\ny = 1"),
    ("def f():\n  x = 1\n  'not a docstring'", "def f():\n  x = 1"),
    ("def f(): b'bytes'", "def f(): 'text'"),
    ("del x", "x"),
    ("def f(x): return x", "async def f(x): return x", "f = lambda x: x"),
    ("a < b < c", "(a < b) < c", "a < (b < c)"),
)


@pytest.mark.parametrize("group", DIFFERENT)
def test_whatever_behaves_differently_differs(group: tuple[str, ...]) -> None:
    assert len({identity.digest(source) for source in group}) == len(group)


def test_fields_that_newer_versions_add_count_only_when_used() -> None:
    tree = ast.parse("def f(x): return x")
    plain = identity.of_tree(tree)
    function = tree.body[0]
    function._fields = (*function._fields, "later", "later_list")  # type: ignore[misc]
    function.later, function.later_list = None, []  # type: ignore[attr-defined]
    assert identity.of_tree(tree) == plain
    function.later_list = [ast.Name("T", ast.Load())]  # type: ignore[attr-defined]
    assert identity.of_tree(tree) != plain


def test_trees_built_without_optional_fields_are_the_parsed_ones() -> None:
    built = ast.Module(
        body=[
            ast.FunctionDef(
                name="f",
                args=ast.arguments(posonlyargs=[], args=[ast.arg(arg="x")], kwonlyargs=[], kw_defaults=[], defaults=[]),
                body=[ast.Return(value=ast.Name(id="x"))],
                decorator_list=[],
            )
        ],
        type_ignores=[],
    )
    assert identity.of_tree(built) == identity.digest("def f(x): return x")


def test_literals_that_a_version_splits_are_joined() -> None:
    name = ast.FormattedValue(value=ast.Name(id="b"), conversion=-1)
    split = ast.JoinedStr(values=[ast.Constant("a"), ast.Constant(""), ast.Constant("c"), name, ast.Constant("")])
    whole = ast.JoinedStr(values=[ast.Constant("ac"), name])
    assert identity.of_tree(split) == identity.of_tree(whole)


def test_source_that_does_not_parse_is_known_by_its_text() -> None:
    assert identity.digest("def f(\n") == identity.digest("\r\ndef f(   \r\n\r\n")
    assert identity.digest("def f(") != identity.digest("def g(")
    assert identity.digest("x\0") != identity.digest("x")
    assert identity.digest("x = '\ud800") == identity.digest("x = '\ud800 ")  # a lone surrogate has no UTF-8


def test_deep_nesting_and_huge_numbers_have_an_identity() -> None:
    assert len(identity.digest("x = " + "a." * 900 + "b")) == 64
    assert identity.digest("x = 0x" + "f" * 9000) != identity.digest("x = 0x" + "f" * 9001)
