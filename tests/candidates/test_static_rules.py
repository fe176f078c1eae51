"""The rules refuse what reaches out of a candidate, and let honest code pass."""

from dataclasses import dataclass

import pytest

from candidates.static_rules import check


@dataclass(frozen=True)
class Api:
    version: str = "3.7.1"
    language: frozenset[str] = frozenset(
        "program_id num_programs arange load store constexpr sum max min exp log sqrt rsqrt erf sigmoid where maximum "
        "minimum zeros full dot cdiv float32 float16 math extra core random make_tensor_descriptor static_range range "
        "abs debug_barrier join cat softmax".split()
    )
    libdevice: frozenset[str] = frozenset("tanh log1p expm1 rint pow isnan erf rsqrt".split())


API = Api()

HEAD = """\
import math
import functools
import torch
import torch.nn as nn
import torch.nn.functional as F
import triton
import triton.language as tl

"""
KERNEL = """
@triton.jit
def double(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n) * 2, mask=at < n)

"""
MODEL = """
class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        double[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)
        return y
"""


def module(extra: str = "", head: str = "") -> str:
    """A clean candidate with `head` among its imports and `extra` between kernel and class."""
    return f"{head}\n{HEAD}{KERNEL}\n{extra}\n{MODEL}"


def within(statement: str) -> str:
    """A clean candidate whose forward begins with a statement (of one or more lines)."""
    lines = "".join(f"        {line}\n" for line in statement.split("\n"))
    return module().replace("    def forward(self, x):\n", f"    def forward(self, x):\n{lines}")


def rules(source: str) -> set[str]:
    """Names of the rules that refuse a source."""
    return {finding.rule for finding in check(source, API) if finding.severity == "refuse"}


EVASIONS = {
    # ways to get at a module
    "import": within("import os"),
    "import of a part": module(head="import os.path as math2"),
    "import from": within("from subprocess import run"),
    "relative import": module(head="from . import something"),
    "star import": module(head="from torch import *"),
    "import from an allowed module": module(head="from torch import hub"),
    "import of a function": module(head="from torch import load as read"),
    "import of a private part": module(head="from torch import _C"),
    "import of a re-exported module": module(head="from functools import sys"),
    "import of numpy": module(head="import numpy as np"),
    "import of a compiler": module(head="from torch.utils.cpp_extension import load_inline"),
    "import of triton's runtime": module(head="from triton.runtime import driver"),
    "dunder import": within("__import__('os')"),
    # dotted paths
    "attribute": within("torch.os.system('id')"),
    "attribute of an attribute": within("torch.nn.functional.torch.hub.load('a', 'b')"),
    "by way of functional": within("F.importlib.import_module('os')"),
    "by way of the standard library": within("functools.recursive_repr.os"),
    "by way of dataclasses": module(head="import dataclasses").replace("return y", "return dataclasses.sys.modules"),
    "private attribute": within("torch._C._cuda_init()"),
    "private backend": within("torch._dynamo.reset()"),
    "triton's compiler": within("triton.compiler.compile(1)"),
    "triton's driver": within("triton.runtime.driver.set_active(None)"),
    "triton core": within("tl.core.builtins.open('x')"),
    "saved file": within("torch.save(x, '/tmp/x')"),
    "foreign library": within("torch.ops.load_library('x.so')"),
    "compiled": within("f = torch.compile(lambda t: t * 2)"),
    "script": within("torch.jit.script(double)"),
    "stream": within("s = torch.cuda.Stream()"),
    "stream through an alias": within("c = torch.cuda\ns = c.Stream()"),
    "graph": within("g = torch.cuda.CUDAGraph()"),
    "graph context": within("with torch.cuda.graph(None):\n    pass"),
    "event": within("e = torch.cuda.Event()"),
    "allocator": within("torch.cuda.memory.CUDAPluggableAllocator('a', 'b', 'c')"),
    # aliases
    "alias": within("t = torch\nt.hub.load('a', 'b')"),
    "alias of an alias": within("t = torch\nu = t\nu.hub.load('a', 'b')"),
    "alias of a function": within("f = torch.load\nf('x')"),
    "alias at module level": module("t = torch\n").replace("return y", "return t.hub.load('a')"),
    "alias by a global": within("global q\nq = torch\nq.hub.load('a')"),
    "alias by a nonlocal": within("q = None\ndef g():\n    nonlocal q\n    q = torch\ng()\nq.hub.load('a')"),
    "alias by a walrus": within("(t := torch).hub.load('a')"),
    "alias by a class attribute": module("class A:\n    t = torch\n").replace("return y", "return A.t.hub"),
    "alias by an instance": within("self.t = torch\nself.t.hub.load('a')"),
    "alias by unpacking": within("a, b = torch, tl\na.hub.load('a')"),
    "alias by a list": within("[torch][0].hub.load('a')"),
    "alias by a dictionary": within("{'a': torch}['a'].hub.load('a')"),
    "alias by a default": within("def g(m=torch):\n    return m.hub\ng()"),
    "alias by an argument": within("(lambda m: m.hub)(torch)"),
    "alias by a loop": within("for m in (torch,):\n    m.hub.load('a')"),
    "alias by a comprehension": within("[m.hub for m in [torch]]"),
    "alias by a condition": within("t = torch if x is None else torch\nt.hub.load('a')"),
    "alias by or": within("t = None or torch\nt.hub.load('a')"),
    "alias by a return": within("def g():\n    return torch\ng().hub.load('a')"),
    "alias by a yield": within("def g():\n    yield torch\nnext(g()).hub"),
    "alias by a with": within("import contextlib\nwith contextlib.nullcontext(torch) as t:\n    t.hub.load('a')"),
    "alias by a match": within("match torch:\n    case t:\n        t.hub.load('a')"),
    "alias by a submodule": within("f = lambda m: m\nf(torch.cuda).Stream()"),
    "alias hidden by a comprehension": within("[0 for torch in ()]\ntorch.hub.load('a')"),
    "alias hidden by a class body": module("class A:\n    for torch in ():\n        pass\n    h = torch.hub\n"),
    "alias hidden by a rebinding": module("if False:\n    torch = None\n").replace("return y", "return torch.hub"),
    # attributes by name
    "getattr": within("getattr(torch, 'hub')"),
    "getattr of a computed name": within("getattr(torch, 'h' + 'ub')"),
    "getattr of a computed name on self": within("getattr(self, '__cl' + 'ass__')"),
    "getattr of a formatted dunder": within("getattr(self, f'__{x}__')"),
    "getattr of a formatted name": within("getattr(self, f'{x}')"),
    "getattr of a formatted frame": within("getattr(x, f'f_{x}')"),
    "getattr of half a frame": within("getattr(x, f'f{x}')"),
    "getattr as a value": within("g = getattr\ng(torch, 'hub')"),
    "getattr in reduce": within("functools.reduce(getattr, ['hub'], torch.nn)"),
    "getattr in partial": within("functools.partial(getattr, x)('data')"),
    "getattr unpacked": within("getattr(*[torch, 'hub'])"),
    "getattr of a dunder": within("getattr(x, '__class__').mro()"),
    "pattern attribute": within("match x:\n    case object(__globals__=g):\n        pass"),
    "dictionary of a module": within("torch.__dict__['hub']"),
    "vars": within("vars(torch)['hub']"),
    "globals": within("globals()['torch']"),
    "builtin hidden by a loop": module("for open in ():\n    pass\n").replace("return y", "return open('x')"),
    # running text
    "exec": within("exec('import os')"),
    "eval": within("eval('1')"),
    "eval as a value": within("e = eval\ne('1')"),
    "eval as a decorator": within("@eval\ndef g():\n    pass"),
    "eval in map": within("list(map(eval, ['1']))"),
    "compile": within("compile('1', '', 'eval')"),
    "type hints": module(head="import typing").replace("return y", "return typing.get_type_hints(x)"),
    "made class": within("type('X', (torch.nn.Module,), {})"),
    "open": within("open('/etc/passwd')"),
    "breakpoint": within("breakpoint()"),
    "input": within("input()"),
    # the interpreter's insides
    "builtins": within("__builtins__['open']"),
    "loader": within("__loader__.load_module('os')"),
    "bases": within("().__class__.__bases__"),
    "subclasses": within("object.__subclasses__()"),
    "mro": within("type(x).mro()"),
    "globals of a function": within("double.fn.__globals__"),
    "globals of a method": within("nn.Module.__init__.__globals__"),
    "frames": within("(i for i in ()).gi_frame.f_back.f_globals"),
    "traceback": within("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    e.__traceback__.tb_frame"),
    "code": within("double.fn.__code__"),
    "object's own getattribute": within("object.__getattribute__(x, 'data')"),
    "reduce": within("x.__reduce__()"),
    "build class": within("__build_class__"),
    # changing what is not one's own
    "flag": within("torch.backends.cuda.matmul.allow_tf32 = True"),
    "flag by function": within("torch.set_float32_matmul_precision('high')"),
    "flag by setattr": within("setattr(torch.backends.cudnn, 'allow_tf32', True)"),
    "flag through an alias": within("b = torch.backends.cudnn\nb.benchmark = True"),
    "flag as a loop variable": within("for torch.backends.cudnn.benchmark in (True,):\n    pass"),
    "flag as a with target": within("with torch.no_grad() as torch.backends.cudnn.benchmark:\n    pass"),
    "method replaced": within("torch.Tensor.to = lambda *a: a"),
    "comparison replaced": within("torch.allclose = lambda *a: True"),
    "operator replaced": within("torch.Tensor.__eq__ = lambda *a: True"),
    "augmented": within("torch.nn.functional.x += 1"),
    "deleted": within("del torch.allclose"),
    "setattr of a computed name": within("setattr(x, 'a' + 'b', 1)"),
    "tl changed": module("tl.load = None\n"),
    "synchronize replaced": within("torch.cuda.synchronize = lambda: None"),
    "global hooks": within("torch.nn.modules.module.register_module_forward_hook(print)"),
    "lying tensor": module("class T(torch.Tensor):\n    pass\n"),
    "torch function": module("class T:\n    def __torch_function__(self, *a):\n        pass\n"),
    "torch function by assignment": module("class T:\n    __torch_function__ = None\n"),
    "numpy file": within("x.numpy().tofile('/tmp/x')"),
    "shared memory": within("x.share_memory_()"),
    "storage from file": within("torch.UntypedStorage.from_file('x')"),
}


@pytest.mark.parametrize("source", EVASIONS.values(), ids=EVASIONS.keys())
def test_reaching_out_is_refused(source: str) -> None:
    found = rules(source)
    assert found & {
        "import", "star-import", "refused-name", "refused-builtin", "module-as-value", "computed-attribute", "dunder",
        "changes-import", "tensor-subclass",
    }  # fmt: skip
    assert "syntax" not in found


def test_the_clean_candidate_that_evasions_start_from_is_clean() -> None:
    assert check(module(), API) == ()
    assert check(within("z = 1"), API) == ()


HONEST = {
    "docstrings and comments": module('class Notes:\n    """import os; os.system, torch.hub, eval, open(1)"""  # exec(x)\n'),
    "optional feature": module(
        "try:\n    from triton.language.extra import libdevice\nexcept ImportError:\n"
        "    from triton.language.extra.cuda import libdevice\n\nTANH = libdevice.tanh\n"
    ),
    "optional feature by hasattr": module("HAS = hasattr(tl, 'warp_specialize')\n"),
    "optional call under hasattr": within("if hasattr(tl, 'warp_specialize'):\n    tl.warp_specialize(1)"),
    "optional call under try": within("try:\n    f = tl.warp_specialize\nexcept AttributeError:\n    f = None"),
    "libdevice by path": within("f = tl.extra.cuda.libdevice.tanh"),
    "libdevice may be none": module("try:\n    from triton.language.extra import libdevice\nexcept ImportError:\n"
                                    "    libdevice = None\n").replace("return y", "return y if libdevice is not None else y"),
    "helper classes": module("class Workspace:\n    def __init__(self, n):\n        self.n = n\n"
                             "    def __len__(self):\n        return self.n\n"),
    "workspace on self": module().replace(
        "    def forward(self, x):\n",
        "    def __init__(self, *args, **kwargs):\n        super().__init__()\n        self._buffer = None\n\n"
        "    def forward(self, x):\n        if self._buffer is None or self._buffer.shape != x.shape:\n"
        "            self._buffer = torch.empty_like(x)\n"),
    "cache": module("@functools.lru_cache(maxsize=None)\ndef grid(n, block):\n    return (triton.cdiv(n, block),)\n"),
    "dataclass": module("@dataclass(frozen=True)\nclass Tile:\n    m: int = 64\n\nTILE = Tile()\n",
                        head="from dataclasses import dataclass"),
    "f-string in raise": within("if x.dim() != 2:\n    raise ValueError(f'expected 2 dimensions, got {x.dim()!r}')"),
    "context manager": within("with torch.no_grad(), contextlib.nullcontext():\n    pass").replace(
        "import math\n", "import contextlib\nimport math\n"),
    "autotune": module().replace("@triton.jit", "@triton.autotune(configs=[triton.Config({'BLOCK': 128}, num_warps=w) "
                                 "for w in (4, 8)], key=['n'])\n@triton.jit").replace(", BLOCK=128", ""),
    "autotune by own function": module("", head="").replace(
        "@triton.jit", "def configs():\n    return [triton.Config({'BLOCK': b}) for b in (64, 128)]\n\n\n"
        "@triton.autotune(configs=configs(), key=['n'])\n@triton.heuristics({'EVEN': lambda a: a['n'] % 2 == 0})\n"
        "@triton.jit", 1),
    "configurations in a loop": module("CONFIGS = []\nfor w in (4, 8):\n    CONFIGS.append(triton.Config({}, num_warps=w))\n"),
    "jit by name": f"from triton import jit\n{HEAD}{KERNEL.replace('@triton.jit', '@jit')}{MODEL}",
    "jit with options": f"{HEAD}{KERNEL.replace('@triton.jit', '@triton.jit(noinline=False)')}{MODEL}",
    "jit by call": f"{HEAD}{KERNEL.replace('@triton.jit', '')}\nkernel = triton.jit(double)\n{MODEL.replace('double[', 'kernel[')}",
    "constants": module("BLOCK = tl.constexpr(128)\nSCALE = math.sqrt(2.0)\nINF = float('inf')\nDTYPE = torch.float32\n"),
    "capability": within("major, _ = torch.cuda.get_device_capability()\nif torch.version.hip:\n    pass"),
    "parameters by number": module().replace(
        "    def forward", "    def __init__(self):\n        super().__init__()\n        for i in range(2):\n"
        "            setattr(self, f'w{i}', nn.Parameter(torch.ones(1)))\n\n    def forward"
    ).replace("return y", "return y + getattr(self, f'w{0}')"),
    "argument called input": module().replace("(self, x)", "(self, input)").replace("(x)", "(input)").replace("x.", "input.").replace("(x,", "(input,"),
    "local called F": within("T, F = x.shape\ny = torch.empty((T, F), device=x.device)\nz = max(F, T)"),
    "torch functions with the names of modules": within("a = torch.select(x, 0, 0)\nb = torch.chunk(x, 2)\nc = torch.trace(x)"),
    "base class in the file": module("class Base(nn.Module):\n    def forward(self, x):\n        return x\n").replace(
        "class ModelNew(nn.Module)", "class ModelNew(Base)"),
    "class name": within("name = f'{type(self).__name__} {self.__class__.__name__} {torch.__version__}'"),
    "postponed annotations": "from __future__ import annotations\n" + module().replace(
        "forward(self, x)", "forward(self, x: Tensor) -> Optional[Tensor]"),
    "old style init": module().replace("    def forward", "    def __init__(self):\n        nn.Module.__init__(self)\n\n    def forward"),
    "autograd function": module("class Double(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return x\n"),
    "type variables": module("T = TypeVar('T')\n", head="from typing import TypeVar"),
    "dtype map": module("NAMES = {torch.float16: tl.float16, torch.float32: tl.float32}\n"),
    "warnings": within("warnings.warn('slow path')").replace("import math\n", "import math\nimport warnings\n"),
    "reading a flag": within("if torch.backends.cuda.matmul.allow_tf32:\n    pass"),
    "device guard": within("with torch.cuda.device(x.device):\n    pass"),
    "nested functions": within("def grid(meta):\n    return (triton.cdiv(x.numel(), meta['BLOCK']),)\ny = grid"),
    "all": "__all__ = ['ModelNew']\n" + module(),
}  # fmt: skip


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST.keys())
def test_honest_code_passes(source: str) -> None:
    assert [finding for finding in check(source, API) if finding.severity == "refuse"] == []


SHAPE = {
    "no class": (HEAD + KERNEL, "model"),
    "not a module": (module().replace("ModelNew(nn.Module)", "ModelNew"), "model"),
    "no forward": (module().replace("def forward", "def backward"), "model"),
    "no kernel": (HEAD + MODEL.replace("double[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)", "pass"), "kernel"),
    "kernel not used": (module().replace("double[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)", "pass"), "kernel"),
    "decorator that is not jit": (module().replace("@triton.jit", "@functools.cache"), "kernel"),
    "inputs": (module("def get_inputs():\n    return []\n"), "test-code"),
    "arguments": (module("def get_init_inputs():\n    return []\n"), "test-code"),
    "main block": (module() + "\nif __name__ == '__main__':\n    print(1)\n", "test-code"),
    "print": (module() + "\nprint('done')\n", "test-code"),
    "model made": (module() + "\nmodel = ModelNew()\n", "test-code"),
    "model run": (module() + "\nprint(ModelNew()(torch.ones(2)))\n", "test-code"),
    "tensor made": (module("W = torch.randn(3)\n"), "test-code"),
    "kernel launched": (module("double[(1,)](1, 2, 3)\n"), "test-code"),
    "own function called": (module("def test():\n    pass\n\ntest()\n"), "test-code"),
    "with block": (module() + "\nwith torch.no_grad():\n    pass\n", "test-code"),
    "loop": (module() + "\nwhile False:\n    pass\n", "test-code"),
    "undefined name": (module().replace("import triton\n", ""), "undefined-name"),
    "syntax error": ("def f(", "syntax"),
    "too deep": ("x = " + "-" * 400 + "1", "syntax"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "rule"), SHAPE.values(), ids=SHAPE.keys())
def test_shape_of_the_module(source: str, rule: str) -> None:
    assert rule in rules(source)


NAMES = {
    "tanh": ("tl.tanh(x)", "no `tl.tanh`", "libdevice.tanh"),
    "gelu": ("tl.gelu(x)", "no `tl.gelu`", "tl.erf"),
    "silu": ("tl.silu(x)", "no `tl.silu`", "tl.sigmoid"),
    "mish": ("tl.mish(x)", "no `tl.mish`", "log1p"),
    "misspelt": ("tl.maximim(x, 0)", "no `tl.maximim`", "tl.maximum"),
    "math": ("tl.math.tanh(x)", "no `tl.math.tanh`", "libdevice.tanh"),
    "libdevice": ("tl.extra.libdevice.sigmoid(x)", "no `libdevice.sigmoid`", "tl.sigmoid"),
    "known to libdevice": ("tl.rint(x)", "no `tl.rint`", "libdevice.rint"),
}


@pytest.mark.parametrize(("code", "told", "remedy"), NAMES.values(), ids=NAMES.keys())
def test_names_that_triton_does_not_have(code: str, told: str, remedy: str) -> None:
    source = module().replace("* 2", f"* {code.replace('(x', '(at')}")
    (finding,) = check(source, API)
    assert finding.rule == "unknown-name"
    assert source.split("\n")[finding.line - 1].strip().startswith("tl.store")
    assert told in finding.message
    assert remedy in finding.remedy


def test_names_that_triton_has_depend_on_its_version() -> None:
    source = module().replace("* 2", "* tl.sigmoid(at)")
    assert check(source, API) == ()
    (finding,) = check(source, Api(version="3.0", language=API.language - {"sigmoid"}))
    assert "Triton 3.0 has no `tl.sigmoid`" in finding.message
    assert check(source, Api(language=frozenset(), libdevice=frozenset())) == ()


def test_names_in_from_imports() -> None:
    assert rules(module(head="from triton.language import tanh")) == {"unknown-name"}
    assert rules(module(head="from triton.language import load")) == set()


def test_order_is_advice() -> None:
    (finding,) = check(HEAD + MODEL + KERNEL, API)
    assert (finding.rule, finding.severity) == ("order", "advice")


def test_findings_have_a_line_and_a_remedy() -> None:
    for source in EVASIONS.values():
        for finding in check(source, API):
            assert 0 < finding.line <= source.count("\n")
            assert finding.message.endswith(".")
            assert finding.remedy


def test_a_finding_names_its_line() -> None:
    source = within("z = 1\ntorch.hub.load('a')")
    (finding,) = check(source, API)
    assert source.split("\n")[finding.line - 1].strip() == "torch.hub.load('a')"
    assert finding.message == "`torch.hub` is not allowed."
