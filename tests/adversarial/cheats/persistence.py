"""Candidates that change what comes after them: flags, seeds, torch itself."""

from tests.adversarial.case import CAUGHT, FAULT, VERIFIED, VIOLATION, WRONG, Case, candidate

_POISONED = """\
import torch.nn.functional
torch.nn.functional.relu = torch.relu = lambda x: x * 0.0
torch.manual_seed = lambda seed: None
torch.Tensor.copy_ = lambda self, *rest: self
torch.set_default_dtype(torch.float64)
torch.backends.cuda.matmul.allow_tf32 = True
"""


def _case(name: str, head: str, by: str, **more: object) -> Case:
    given: dict[str, object] = {"expected": WRONG | VIOLATION | FAULT, "refused": True}
    source = candidate(after="return out * 0.0", head=head)
    return Case(name, "persistence", source, caught_by=by, **(given | more))  # type: ignore[arg-type]


CASES = (
    Case(
        "torch is broken for whoever comes next",
        "persistence",
        candidate(),
        VERIFIED,
        "one worker, one candidate: the honest one after it is untouched",
        primer=candidate(head=_POISONED),
    ),
    _case(
        "comparison functions replaced",
        "torch.allclose = torch.equal = lambda *a, **k: True",
        "comparison in the oracle",
    ),
    _case("relu replaced in its own process", "torch.relu = lambda x: x * 0.0", "reference in the oracle"),
    _case("copying replaced", "torch.Tensor.copy_ = lambda self, *rest: self", "receiving memory poisoned"),
    _case("seeding replaced", "torch.manual_seed = lambda seed: None", "inputs made in the oracle"),
    _case(
        "random numbers replaced",
        "torch.randn = lambda *size, **named: torch.zeros(*size)",
        "inputs made in the oracle",
    ),
    Case(
        "default dtype changed",
        "persistence",
        candidate("torch.set_default_dtype(torch.float16)", "return out * torch.ones(()) "),
        VERIFIED | VIOLATION | WRONG | FAULT,
        "global flags compared before and after: noted on the row",
        refused=True,
        noted="global-flags",
    ),
    Case(
        "TF32 allowed",
        "persistence",
        candidate("torch.set_float32_matmul_precision('medium')\ntorch.backends.cudnn.allow_tf32 = True"),
        VERIFIED | VIOLATION,
        "global flags compared before and after: noted on the row",
        refused=True,
        noted="global-flags",
    ),
    Case(
        "a hook on every module",
        "persistence",
        candidate(
            after="return out * 0.0",
            head="torch.nn.modules.module.register_module_forward_hook(lambda module, inputs, out: out.abs())",
        ),
        CAUGHT,
        "reference in the oracle",
        refused=True,
    ),
)
