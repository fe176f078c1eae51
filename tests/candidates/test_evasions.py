"""Ways out of a candidate that the rules close. The sandbox is the boundary; these are early, readable refusals."""

import pytest

from candidates import identity
from candidates.static_rules import check
from tests.candidates.modules import API, module, rules, within

REACH = {
    "import",
    "star-import",
    "refused-name",
    "refused-builtin",
    "module-as-value",
    "computed-attribute",
    "dunder",
    "changes-import",
    "tensor-subclass",
}

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
    "a module as a call's value": within("torch.get_device_module('cuda').synchronize()"),
    "globals copied": module(head="import functools").replace(
        "return y", "functools.wraps(torch.typename, (), ('__globals__',))(self.forward)\n        return y"
    ),
    "globals copied by name": module(head="from functools import wraps").replace(
        "return y", "wraps(torch.typename, updated=('__globals__',))(self.forward)\n        return y"
    ),
    "globals copied later": module(head="import functools").replace(
        "return y", "functools.partial(functools.wraps, updated=('__globals__',))\n        return y"
    ),
    "globals copied by the function behind it": within("functools.update_wrapper(1, 2, (), ('__globals__',))"),
    "a name put together that begins like a module's": within("getattr(x, f\"s{'ys'}\")"),
    "a class changed through its object": within("type(x).data_ptr = None"),
    "a class changed by setattr": within("setattr(type(x), 'data_ptr', None)"),
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
    "arithmetic in numpy": within("y = torch.from_numpy(x.cpu().numpy() * 2)"),
    "numpy file": within("x.numpy().tofile('/tmp/x')"),
    "shared memory": within("x.share_memory_()"),
    "by way of triton": within("tl.core.typing.get_type_hints(x)"),
    "annotations that are evaluated": within("functools.singledispatch(lambda t: t)"),
    "object of an error": within("try:\n    torch.nope\nexcept AttributeError as e:\n    e.obj.compile(1)"),
    "super's getattribute": within("super().__getattribute__('__cl' + 'ass__')"),
    "computed base": module("class T(type(1)):\n    pass\n"),
    "unpacked base": module("class T(*[torch.Tensor]):\n    pass\n"),
    "unknown module passed on": within("(lambda m: m)(torch.sparse).threading"),
    "threads": within("nn.parallel.parallel_apply([self, self], [(x,), (x,)])"),
    "threads of a module": within("nn.DataParallel(self)(x)"),
    "full-width letters": within("torch.\uff48\uff55\uff42.load('a', 'b')"),
    "storage from file": within("torch.UntypedStorage.from_file('x')"),
}


@pytest.mark.parametrize("source", EVASIONS.values(), ids=EVASIONS.keys())
def test_reaching_out_is_refused(source: str) -> None:
    found = rules(source)
    assert found & REACH
    assert found <= REACH, "refused for another reason too: the evasion itself is not well written"


def test_the_clean_candidate_that_evasions_start_from_is_clean() -> None:
    assert check(module(), API) == ()
    assert check(within("z = 1"), API) == ()


def test_findings_have_a_line_and_a_remedy() -> None:
    for source in EVASIONS.values():
        for finding in check(source, API):
            assert 0 < finding.line <= source.count("\n")
            assert finding.message.endswith(".")
            assert finding.remedy


@pytest.mark.parametrize("encoding", ["utf-7", "unicode_escape", "latin-1", "no-such-encoding"])
def test_another_encoding_is_refused(encoding: str) -> None:
    """Read from a file under such a declaration, a comment can turn into code."""
    source = f"# -*- coding: {encoding} -*-\n# \\nimport os\n{module()}"
    assert rules(source) == {"syntax"}
    assert identity.digest(source) != identity.digest(module())


def test_utf_8_may_be_declared() -> None:
    assert check("# -*- coding: utf-8 -*-\n" + module(), API) == ()
