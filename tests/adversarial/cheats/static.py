"""Ways around the static rules: code that hides what it calls. All of it is refused early, and worth nothing later."""

from tests.adversarial.case import ANSWER, CAUGHT, FAULT, VIOLATION, Case, candidate, forwarding
from tests.adversarial.cheats.escape import heist


def _case(name: str, source: str, said: str = "", *, by: str = "no Triton launch", **more: object) -> Case:
    given: dict[str, object] = {"expected": VIOLATION | FAULT, "refused": True}
    return Case(name, "static", source, caught_by=by, said=said, **(given | more))  # type: ignore[arg-type]


CASES = (
    _case(
        "torch.compile writes the kernel",
        forwarding("return torch.compile(self.work)(x)").replace(
            "    def forward", f"    def work(self, x):\n        return {ANSWER}\n\n    def forward"
        ),
    ),
    _case(
        "torch.jit writes the kernel",
        forwarding(
            "return fused(x, self.gain, self.shift, self.factor)",
            head="@torch.jit.script\ndef fused(x, gain, shift, factor: float):\n"
            "    return torch.relu(x * gain + shift) * factor\n",
        ),
    ),
    _case("text that is run", forwarding(f'exec("self.answer = {ANSWER}")\nreturn self.answer'), "no Triton kernel"),
    _case(
        "attributes by computed names",
        forwarding('f = getattr(torch, "re" + "lu")\nreturn f(x * self.gain + self.shift) * self.factor'),
        "no Triton kernel",
    ),
    _case(
        "an operator behind torch.ops",
        forwarding("return torch.ops.aten.relu.default(x * self.gain + self.shift) * self.factor"),
        "no Triton kernel",
    ),
    _case(
        "a class made by type()",
        forwarding(
            "return self.layer(x, self.gain, self.shift)",
            init="self.layer = type('Layer', (nn.Module,), {'forward': work})()",
            head="def work(layer, x, gain, shift):\n    return torch.relu(x * gain + shift) * 3.0\n",
        ),
        "no Triton kernel",
    ),
    _case(
        "os through torch",
        heist("import torch\nreturn torch.os.path.exists('/etc/hostname')"),
        by="sandbox: file tree",
        expected=CAUGHT,
    ),
    _case(
        "builtins through subclasses",
        heist(
            "kinds = [k for k in ().__class__.__base__.__subclasses__() if k.__name__ == 'FileLoader']\n"
            "return len(kinds[0]('x', '/etc/passwd').get_data('/etc/passwd')) > 0"
        ),
        by="sandbox: file tree",
        expected=CAUGHT,
    ),
    _case(
        "a pickle that runs code",
        heist(
            "import pickle\nclass Job:\n    def __reduce__(self):\n        import os\n"
            "        return (os.listdir, ('/etc',))\nreturn 'passwd' in pickle.loads(pickle.dumps(Job()))"
        ),
        by="sandbox: file tree",
        expected=CAUGHT,
    ),
    _case(
        "an output that compares as it likes",
        candidate(
            after="out.zero_()\nreturn out.as_subclass(Agreeable)",
            head="class Agreeable(torch.Tensor):\n    def __eq__(self, other):\n        return True\n\n"
            "    def __sub__(self, other):\n        return torch.zeros(1)\n",
        ),
        by="comparison of the oracle's copy",
        expected=CAUGHT,
    ),
)
