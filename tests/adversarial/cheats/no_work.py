"""Candidates whose own kernels don't do the work."""

from tests.adversarial.case import ANSWER, COPY, LAUNCH, TOUCH, VIOLATION, WRONG, Case, candidate, forwarding, replaced

_EMPTY = "\n\n@triton.jit\ndef nothing(x_ptr):\n    pass\n"
_SCRATCH = "scratch = torch.empty(4, device=x.device)\n"
_COPYING = (
    f"done = {ANSWER}\nout = torch.empty_like(done)\ncount = x.shape[0] * x.shape[1]\n"
    "copy[(triton.cdiv(count, 1024),)](done, out, count, BLOCK=1024)\nreturn out"
)
_ONE = """

@triton.jit
def write_one(out_ptr, x_ptr, gain_ptr, shift_ptr):
    tl.store(out_ptr, tl.maximum(tl.load(x_ptr) * tl.load(gain_ptr) + tl.load(shift_ptr), 0.0) * 3.0)
"""
_DENYING = """\
kind = type(torch.empty(0))
kind.is_floating_point = lambda self: False
kind.numel = lambda self: 1
"""
_HOOK = """\
def work(out, x, gain, shift, **options):
    out.copy_(torch.relu(x * gain + shift) * 3.0)
"""
_LATE = """\
class Late:
    def __init__(self, out, x, gain, shift):
        self.out, self.inputs, self.dtype = out, (x, gain, shift), out.dtype

    def data_ptr(self):
        x, gain, shift = self.inputs
        self.out.copy_(torch.relu(x * gain + shift) * 3.0)
        return self.out.data_ptr()

    def untyped_storage(self):
        return self.out.untyped_storage()
"""
_WORKERS = """\
class Worker(nn.Module):
    def forward(self, x, gain, shift):
        return torch.relu(x * gain + shift) * 3.0
"""
_THREADS = (
    "given = [(half, self.gain.data, self.shift.data) for half in x.chunk(2)]\n"
    "done = torch.cat(nn.parallel.parallel_apply(self.workers, given, devices=[0, 0]))\nout = torch.empty_like(x)\n"
    "copy[(triton.cdiv(x.numel(), 1024),)](done, out, x.numel(), BLOCK=1024)\nreturn out"
)
_ABLATION = "ablation: stubbing the kernel must break the output"
_POLICY = "torch operators beyond the task's policy"
_CAPTURE = "torch observed while the ring that is timed is captured"
_CAPTURING = "torch.cuda.is_current_stream_capturing()"
_ELSEWHERE = "self.calls and x.data_ptr() != self.place"
_REMEMBER = "self.calls, self.place = 1, self.place if self.calls else x.data_ptr()"

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
        "torch wherever inputs lie elsewhere than at first",
        "no-work",
        candidate(f"if {_ELSEWHERE}:\n    return {ANSWER}\n{_REMEMBER}", init="self.place = 0"),
        VIOLATION,
        _CAPTURE,
        shows="gpu",
    ),
    Case(
        "torch while a graph is captured",
        "no-work",
        candidate(f"if {_CAPTURING}:\n    return {ANSWER}"),
        VIOLATION,
        _CAPTURE,
        shows="gpu",
    ),
    Case(
        "torch elsewhere than at first, unless a graph is captured",
        "no-work",
        candidate(f"if {_ELSEWHERE} and not {_CAPTURING}:\n    return {ANSWER}\n{_REMEMBER}", init="self.place = 0"),
        VIOLATION,
        "torch observed in a forward like those that are timed",
        shows="gpu",
    ),
    Case(
        "torch while nobody has replaced the launcher",
        "no-work",
        candidate(f"if scaled_relu.run.__name__ == 'run':\n    return {ANSWER}"),
        VIOLATION,
        _CAPTURE,
        shows="gpu",
    ),
    Case(
        "torch does the work on tensors that deny being floating-point",
        "no-work",
        forwarding(_COPYING, kernel=COPY, init=_DENYING),
        VIOLATION,
        _POLICY,
    ),
    Case(
        "torch computes with the bits, seen as integers",
        "no-work",
        candidate(
            kernel=replaced("tl.maximum(x * gain + shift, 0.0)", "(x * gain + shift)"),
            after="out.view(torch.int32).clamp_(min=0)\nreturn out",
        ),
        VIOLATION,
        _POLICY,
    ),
    Case(
        "torch computes with copies of the bits",
        "no-work",
        candidate(
            kernel=replaced("tl.maximum(x * gain + shift, 0.0)", "(x * gain + shift)"),
            after="bits = out.view(torch.int32).to(torch.int64).contiguous()\n"
            "return torch.maximum(bits, torch.zeros_like(bits)).to(torch.int32).view(torch.float32)",
        ),
        VIOLATION,
        _POLICY,
    ),
    Case(
        "torch does the work in threads of its own",
        "no-work",
        forwarding(_THREADS, kernel=COPY, head=_WORKERS, init="self.workers = [Worker(), Worker()]"),
        VIOLATION,
        _POLICY,
        shows="gpu",
        refused=True,
    ),
    Case(
        "torch overwrites what the kernel wrote",
        "no-work",
        candidate(after=f"out.copy_({ANSWER})\nreturn out"),
        VIOLATION,
        _ABLATION,
    ),
    Case(
        "a hook before the launch lets torch do the work",
        "no-work",
        forwarding(
            "out = torch.empty_like(x)\nwrite_one[(1,)](out, x, self.gain, self.shift)\nreturn out",
            kernel=_ONE,
            head=_HOOK,
            init="write_one.add_pre_run_hook(work)",
        ),
        VIOLATION,
        _POLICY,
    ),
    Case(
        "an argument of the launch lets torch do the work when it is asked for its address",
        "no-work",
        forwarding(
            "out = torch.empty_like(x)\nlate = Late(out, x, self.gain, self.shift)\n"
            "write_one[(1,)](late, x, self.gain, self.shift)\nreturn out",
            kernel=_ONE,
            head=_LATE,
        ),
        VIOLATION,
        _POLICY,
        refused=True,
    ),
)
