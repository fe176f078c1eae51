"""Candidates whose own kernels don't do the work."""

from tests.adversarial.case import ANSWER, COPY, LAUNCH, TOUCH, VIOLATION, WRONG, Case, candidate, forwarding

_EMPTY = "\n\n@triton.jit\ndef nothing(x_ptr):\n    pass\n"
_SCRATCH = "scratch = torch.empty(4, device=x.device)\n"
_COPYING = (
    f"done = {ANSWER}\nout = torch.empty_like(done)\n"
    "copy[(triton.cdiv(x.numel(), 1024),)](done, out, x.numel(), BLOCK=1024)\nreturn out"
)
_ABLATION = "ablation: stubbing the kernel must break the output"
_POLICY = "torch operators beyond the task's policy"

CASES = (
    Case(
        "torch alone",
        "no-work",
        forwarding(f"return {ANSWER}", kernel=""),
        VIOLATION,
        "no Triton launch",
        refused=True,
        said="no Triton kernel",
    ),
    Case(
        "a kernel that is defined and never launched",
        "no-work",
        forwarding(f"return {ANSWER}"),
        VIOLATION,
        "no Triton launch",
        refused=True,
        said="no Triton kernel",
    ),
    Case(
        "a kernel under a condition that never holds",
        "no-work",
        forwarding(f"if x.dim() == 7:\n    out = x\n    {LAUNCH}return {ANSWER}"),
        VIOLATION,
        "no Triton launch",
        said="no Triton kernel",
    ),
    Case(
        "a dummy kernel beside torch",
        "no-work",
        forwarding(f"{_SCRATCH}touch[(4,)](scratch)\nreturn {ANSWER}", kernel=TOUCH),
        VIOLATION,
        _ABLATION,
    ),
    Case(
        "an empty kernel beside torch",
        "no-work",
        forwarding(f"nothing[(1,)](x)\nreturn {ANSWER}", kernel=_EMPTY),
        VIOLATION,
        _ABLATION,
    ),
    Case(
        "the kernel's result is thrown away",
        "no-work",
        candidate(after=f"return {ANSWER}"),
        VIOLATION,
        _ABLATION,
    ),
    Case(
        "the kernel's result is multiplied by zero",
        "no-work",
        candidate(after=f"return {ANSWER} + out * 0.0"),
        VIOLATION,
        _POLICY,
    ),
    Case(
        "torch does the work and a kernel copies it",
        "no-work",
        forwarding(_COPYING, kernel=COPY),
        VIOLATION,
        _POLICY,
    ),
    Case(
        "torch at the sizes of the check, an idle kernel at true ones",
        "no-work",
        forwarding(
            f"if x.shape[0] <= 4096:\n    return {ANSWER}\nout = torch.empty_like(x)\ntouch[(1,)](out)\nreturn out",
            kernel=TOUCH,
        ),
        VIOLATION | WRONG,
        "a forward without launches at the sizes of the check",
    ),
    Case(
        "torch overwrites what the kernel wrote",
        "no-work",
        candidate(after=f"out.copy_({ANSWER})\nreturn out"),
        VIOLATION,
        _ABLATION,
    ),
)
