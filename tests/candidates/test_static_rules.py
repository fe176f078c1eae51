"""The rules refuse what reaches out of a candidate, and let honest code pass."""

from pathlib import Path
from textwrap import indent

import pytest

from candidates.static_rules import check
from tests.candidates.modules import API, HEAD, KERNEL, MODEL, Api, module, rules, within

LAUNCH = "double[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)"
FORWARD = "    def forward(self, x):\n"


HONEST = {
    "docstrings and comments": module('class Notes:\n    """import os; os.system, torch.hub, eval(1)"""  # exec(x)\n'),
    "optional feature": module(
        "try:\n    from triton.language.extra import libdevice\nexcept ImportError:\n"
        "    from triton.language.extra.cuda import libdevice\n\nTANH = libdevice.tanh\n"
    ),
    "optional feature by hasattr": module("HAS = hasattr(tl, 'warp_specialize')\n"),
    "optional call under hasattr": within("if hasattr(tl, 'warp_specialize'):\n    tl.warp_specialize(1)"),
    "optional call under try": within("try:\n    f = tl.warp_specialize\nexcept AttributeError:\n    f = None"),
    "libdevice by path": within("f = tl.extra.cuda.libdevice.tanh"),
    "libdevice may be none": module(
        "try:\n    from triton.language.extra import libdevice\nexcept ImportError:\n    libdevice = None\n"
    ).replace("return y", "return y if libdevice is not None else y"),
    "helper classes": module(
        "class Workspace:\n    def __init__(self, n):\n        self.n = n\n"
        "    def __len__(self):\n        return self.n\n"
    ),
    "workspace on self": module().replace(
        FORWARD,
        "    def __init__(self, *args, **kwargs):\n        super().__init__()\n        self._buffer = None\n\n"
        "    def forward(self, x):\n        if self._buffer is None or self._buffer.shape != x.shape:\n"
        "            self._buffer = torch.empty_like(x)\n",
    ),
    "cache": module("@functools.lru_cache(maxsize=None)\ndef grid(n, block):\n    return (triton.cdiv(n, block),)\n"),
    "dataclass": module(
        "@dataclass(frozen=True)\nclass Tile:\n    m: int = 64\n\nTILE = Tile()\n",
        head="from dataclasses import dataclass",
    ),
    "f-string in raise": within("if x.dim() != 2:\n    raise ValueError(f'expected 2 dimensions, got {x.dim()!r}')"),
    "context manager": within("with torch.no_grad(), contextlib.nullcontext():\n    pass").replace(
        "import math\n", "import contextlib\nimport math\n"
    ),
    "autotune": module()
    .replace(
        "@triton.jit",
        "@triton.autotune(configs=[triton.Config({'BLOCK': 128}, num_warps=w) "
        "for w in (4, 8)], key=['n'])\n@triton.jit",
    )
    .replace(", BLOCK=128", ""),
    "autotune by own function": module("", head="").replace(
        "@triton.jit",
        "def configs():\n    return [triton.Config({'BLOCK': b}) for b in (64, 128)]\n\n\n"
        "@triton.autotune(configs=configs(), key=['n'])\n@triton.heuristics({'EVEN': lambda a: a['n'] % 2 == 0})\n"
        "@triton.jit",
        1,
    ),
    "configurations in a loop": module(
        "CONFIGS = []\nfor w in (4, 8):\n    CONFIGS.append(triton.Config({}, num_warps=w))\n"
    ),
    "jit by name": f"from triton import jit\n{HEAD}{KERNEL.replace('@triton.jit', '@jit')}{MODEL}",
    "jit with options": f"{HEAD}{KERNEL.replace('@triton.jit', '@triton.jit(noinline=False)')}{MODEL}",
    "jit by call": HEAD
    + KERNEL.replace("@triton.jit", "")
    + "kernel = triton.jit(double)\n"
    + MODEL.replace("double[", "kernel["),
    "constants": module(
        "BLOCK = tl.constexpr(128)\nSCALE = math.sqrt(2.0)\nINF = float('inf')\nDTYPE = torch.float32\n"
    ),
    "capability": within("major, _ = torch.cuda.get_device_capability()\nif torch.version.hip:\n    pass"),
    "parameters by number": module()
    .replace(
        "    def forward",
        "    def __init__(self):\n        super().__init__()\n        for i in range(2):\n"
        "            setattr(self, f'w{i}', nn.Parameter(torch.ones(1)))\n\n    def forward",
    )
    .replace("return y", "return y + getattr(self, f'w{0}')"),
    "argument called input": module().replace(
        "def forward(self, x):\n", "def forward(self, input):\n        x = input\n"
    ),
    "local called F": within("T, F = x.shape\ny = torch.empty((T, F), device=x.device)\nz = max(F, T)"),
    "torch functions with the names of modules": within(
        "a = torch.select(x, 0, 0)\nb = torch.chunk(x, 2)\nc = torch.trace(x)"
    ),
    "base class in the file": module("class Base(nn.Module):\n    def forward(self, x):\n        return x\n").replace(
        "class ModelNew(nn.Module)", "class ModelNew(Base)"
    ),
    "class name": within("name = f'{type(self).__name__} {self.__class__.__name__} {torch.__version__}'"),
    "postponed annotations": "from __future__ import annotations\n"
    + module().replace("forward(self, x)", "forward(self, x: Tensor) -> Optional[Tensor]"),
    "old style init": module().replace(
        FORWARD, "    def __init__(self):\n        nn.Module.__init__(self)\n\n" + FORWARD
    ),
    "autograd function": module(
        "class Double(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return x\n"
    ),
    "type variables": module("T = TypeVar('T')\n", head="from typing import TypeVar"),
    "dtype map": module("NAMES = {torch.float16: tl.float16, torch.float32: tl.float32}\n"),
    "warnings": within("warnings.warn('slow path')").replace("import math\n", "import math\nimport warnings\n"),
    "reading a flag": within("if torch.backends.cuda.matmul.allow_tf32:\n    pass"),
    "device guard": within("with torch.cuda.device(x.device):\n    pass"),
    "nested functions": within("def grid(meta):\n    return (triton.cdiv(x.numel(), meta['BLOCK']),)\ny = grid"),
    "kernel under a condition": HEAD + "if hasattr(triton, 'jit'):\n" + indent(KERNEL, "    ") + MODEL,
    "own super methods": within("z = super().__repr__()"),
    "all": "__all__ = ['ModelNew']\n" + module(),
    "version at import": module(
        "MAJOR, MINOR = (int(part) for part in triton.__version__.split('.')[:2])\n"
        "CUDA = (torch.version.cuda or '0').split('.')\nassert MAJOR >= 3, 'needs Triton 3'\n"
    ),
    "fallback for names of an older Triton": module(
        "try:\n    from triton.language.extra.libdevice import rint\nexcept ImportError:\n"
        "    from triton.language.math import rint\n"
    ),
    "channels on self": module()
    .replace(FORWARD, f"    def __init__(self, c):\n        super().__init__()\n        self._C = c\n\n{FORWARD}")
    .replace("return y", "return y[:, : self._C]"),
    "attributes on self that begin like a module": within("scales = [getattr(self, f's{i}') for i in range(2)]"),
}


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST.keys())
def test_honest_code_passes(source: str) -> None:
    assert [finding for finding in check(source, API) if finding.severity == "refuse"] == []


STARTS = sorted(Path(__file__).parents[2].glob("conf/task/start/*.py"))


@pytest.mark.parametrize("path", STARTS, ids=lambda path: path.stem)
def test_bundled_starting_points_pass(path: Path) -> None:
    assert check(path.read_text(), Api(language=frozenset(), libdevice=frozenset())) == ()


SHAPE = {
    "no class": (HEAD + KERNEL, "model"),
    "not a module": (module().replace("ModelNew(nn.Module)", "ModelNew"), "model"),
    "no forward": (module().replace("def forward", "def backward"), "model"),
    "no kernel": (HEAD + MODEL.replace(LAUNCH, "pass"), "kernel"),
    "kernel not used": (module().replace(LAUNCH, "pass"), "kernel"),
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
    "check at import": (module() + "\nassert ModelNew()(torch.ones(2)).sum() == 4\n", "test-code"),
    "with block": (module() + "\nwith torch.no_grad():\n    pass\n", "test-code"),
    "loop": (module() + "\nwhile False:\n    pass\n", "test-code"),
    "undefined name": (module().replace("import triton\n", ""), "undefined-name"),
    "syntax error": ("def f(", "syntax"),
    "too deep": ("x = " + "-" * 400 + "1", "syntax"),
}


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


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        ("launch_pdl=True", "Leave it out"),
        ("**{'launch_pdl': 1}", "Leave it out"),
        ("ir_override='kernel.ptx'", "Write the kernel in Triton"),
    ],
)
def test_options_that_workers_refuse(option: str, remedy: str) -> None:
    (finding,) = check(within(LAUNCH.replace("BLOCK=128", f"BLOCK=128, {option}")), API)
    assert finding.rule == "launch-option"
    assert finding.remedy.startswith(remedy)


def test_names_in_from_imports() -> None:
    assert rules(module(head="from triton.language import tanh")) == {"unknown-name"}
    assert rules(module(head="from triton.language import load")) == set()


def test_order_is_advice() -> None:
    (finding,) = check(HEAD + MODEL + KERNEL, API)
    assert (finding.rule, finding.severity) == ("order", "advice")


def test_a_finding_names_its_line() -> None:
    source = within("z = 1\ntorch.hub.load('a')")
    (finding,) = check(source, API)
    assert source.split("\n")[finding.line - 1].strip() == "torch.hub.load('a')"
    assert finding.message == "`torch.hub` is not allowed."
