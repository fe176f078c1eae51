"""Candidates that are right, and pretend to be faster than they are. Most of them only a GPU can show."""

from evaluator.verdict import Status
from tests.adversarial.case import ANSWER, FAULT, LAUNCH, VIOLATION, WRONG, Case, candidate, forwarding, replaced

_AUDIT = "audit clock: late work is wrong output"
_TIMED = "outputs of timed iterations"


def _case(name: str, source: str, by: str = _AUDIT, **more: object) -> Case:
    given: dict[str, object] = {
        "expected": WRONG | VIOLATION,
        "shows": "gpu",
        "refused": True,
        "paid_in_time": True,
    }
    return Case(name, "timing", source, caught_by=by, **(given | more))  # type: ignore[arg-type]


_LAZY = """\
class Later(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, arguments=(), named=None):
        ready = [each.work() if isinstance(each, Later) else each for each in arguments]
        return function(*ready, **(named or {}))

    def work(self):
        plain = self.as_subclass(torch.Tensor)
        model, x = self.debt
        out = plain
        scaled_relu[(x.shape[0],)](x, model.gain, model.shift, out, x.shape[1], model.factor, BLOCK=1024)
        return out
"""

_WATCHED = """\
SEEN = []
sleep = torch.cuda._sleep
torch.cuda._sleep = lambda cycles: (SEEN.append(1), sleep(cycles))[1]
"""

_FLUSHED = """\
SEEN = []
zero = torch.Tensor.zero_
torch.Tensor.zero_ = lambda tensor: (SEEN.append(1) if tensor.numel() > 1 << 24 else None, zero(tensor))[1]
"""

_ROW = """\
        columns = tl.arange(0, BLOCK)
        mask = columns < width
        x = tl.load(x_ptr + row * width + columns, mask=mask)
        gain = tl.load(gain_ptr + columns, mask=mask)
        shift = tl.load(shift_ptr + columns, mask=mask)
        tl.store(out_ptr + row * width + columns, tl.maximum(x * gain + shift, 0.0) * factor, mask=mask)
"""

_MARKED = f"""

@triton.jit
def marked_relu(x_ptr, gain_ptr, shift_ptr, out_ptr, marks_ptr, width, factor, EACH: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    first = tl.load(x_ptr + row * width)
    if (row % EACH != 0) | (first != tl.load(marks_ptr + row)):
{_ROW}        tl.store(marks_ptr + row, first)
"""


def _remembering(each: int) -> str:
    """Leaves out one row in so many where it is as it was before: a graph keeps memory until the oracle fills it."""
    return forwarding(
        "out = torch.empty_like(x)\nmarks = torch.empty(x.shape[0], device=x.device)\n"
        "if torch.cuda.is_current_stream_capturing():\n    self.marks.append(marks)\n"
        "else:\n    marks.fill_(float('nan'))\n"
        "marked_relu[(x.shape[0],)](\n"
        f"    x, self.gain, self.shift, out, marks, x.shape[1], self.factor, EACH={each}, BLOCK=1024\n)\nreturn out",
        kernel=_MARKED,
        init="self.marks = []",
    )


_COUNTED = f"""

@triton.jit
def counted_relu(x_ptr, gain_ptr, shift_ptr, out_ptr, calls_ptr, width, factor, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    calls = tl.load(calls_ptr)
    if row == 0:
        tl.atomic_add(calls_ptr, 1)
    if (row % 10 != 0) | (calls < 400):
{_ROW}"""
_COUNTING = """\
if self.counted is None:
    self.counted = torch.zeros(1, dtype=torch.int32, device=x.device)
out = torch.empty_like(x)
counted_relu[(x.shape[0],)](
    x, self.gain, self.shift, out, self.counted, x.shape[1], self.factor, BLOCK=1024
)
return out
"""
_LONG = f"""\
self.calls += x.data_ptr() != 0
rows = x.shape[0]
if self.calls > 40 and not torch.cuda.is_current_stream_capturing():
    rows -= rows // 10
out = torch.empty_like(x)
for _ in range(4):
    {LAUNCH.replace("(x.shape[0],)", "(rows,)")}return out
"""

_HALVED = """\
Stopwatch.rounds = lambda self, *block: [each / 2 for each in honest(self, *block)]
Stopwatch.singles = lambda self, *block: [each / 2 for each in singly(self, *block)]
"""

_OVERLAPPING = replaced("row = tl.program_id(0)", "tl.extra.cuda.gdc_launch_dependents()\n    row = tl.program_id(0)")

_IDLE = "if SEEN:\n    return self.idle"
_KEEP = "self.idle = out\nreturn out"

_STREAM = f"""\
out = torch.empty_like(x)
with torch.cuda.stream(self.side):
    torch.cuda._sleep(2_000_000)
    {LAUNCH}return out
"""
_THREAD = f"""\
out = torch.empty_like(x)
def work():
    time.sleep(0.002)
    {LAUNCH}
threading.Thread(target=work).start()
return out
"""
_GRAPH = f"""\
if self.graph is None:
    self.fixed, self.out = x.clone(), torch.empty_like(x)
    fixed, out = self.fixed, self.out
    {LAUNCH.replace("(x,", "(fixed,")}
    torch.cuda.synchronize()
    self.graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(self.graph):
        {LAUNCH.replace("(x,", "(fixed,")}
self.graph.replay()
return self.out
"""

CASES = (
    _case("work on a side stream", forwarding(_STREAM, init="self.side = torch.cuda.Stream()")),
    _case("work in a thread", forwarding(_THREAD, head="import threading, time")),
    _case(
        "work on demand, in a lazy tensor",
        forwarding("out = torch.empty_like(x).as_subclass(Later)\nout.debt = (self, x)\nreturn out", head=_LAZY),
        "outputs are plain tensors; audit clock",
    ),
    _case(
        "a graph of the first call's input",
        forwarding(_GRAPH, init="self.graph = None"),
        "comparison on a second draw",
        paid_in_time=False,
    ),
    _case(
        "events that lie",
        candidate(head="torch.cuda.Event.elapsed_time = lambda self, other: 1e-4"),
    ),
    _case(
        "a synchronisation that does not wait",
        forwarding(
            _STREAM,
            head="torch.cuda.synchronize = lambda device=None: None",
            init="self.side = torch.cuda.Stream()",
        ),
    ),
    _case(
        "a stopwatch replaced",
        candidate(
            head="from evaluator.inside.timing import Stopwatch\n"
            "honest, singly = Stopwatch.rounds, Stopwatch.singles\n" + _HALVED
        ),
    ),
    _case(
        "a stopwatch replaced, and what comes after an audit held up",
        candidate(
            head="import threading, time\nfrom evaluator.inside.timing import Stopwatch\n"
            "honest, singly, deliver = Stopwatch.rounds, Stopwatch.singles, Stopwatch.deliver\n"
            + _HALVED
            + "def later():\n"
            "    time.sleep(0.003)\n"
            "    for _ in range(300):\n"
            "        torch.cuda._sleep(1_000_000)\n"
            "def hold_up(self):\n"
            "    deliver(self)\n"
            "    threading.Thread(target=later, daemon=True).start()\n"
            "Stopwatch.deliver = hold_up"
        ),
        "audit clock, compared with a worker that met no candidate",
    ),
    _case(
        "a stopwatch replaced, which says that forwards are long until the ring is made",
        candidate(
            head="from evaluator.inside.timing import Stopwatch\n"
            "SAID = []\n"
            "def lying(honest):\n"
            "    def say(self, *block):\n"
            "        SAID.append(1)\n"
            "        return [5.0 if len(SAID) <= 3 else each / 2 for each in honest(self, *block)]\n"
            "    return say\n"
            "Stopwatch.rounds, Stopwatch.singles = lying(Stopwatch.rounds), lying(Stopwatch.singles)"
        ),
        "audit clock, over a ring that is long enough for the claim",
    ),
    _case("idle once the clock's spin is seen", candidate(_IDLE, _KEEP, head=_WATCHED), _TIMED),
    _case(
        "idle while a graph is captured",
        candidate(
            "if self.calls and torch.cuda.is_current_stream_capturing():\n    return self.idle",
            "self.calls = 1\n" + _KEEP,
        ),
        _TIMED,
        refused=False,
    ),
    _case("idle once the cache is flushed", candidate(_IDLE, _KEEP, head=_FLUSHED), _TIMED),
    _case(
        "idle when the input has been seen before",
        candidate(
            "if x.data_ptr() and self.calls and torch.equal(x[:2], self.last):\n    return self.idle",
            "self.calls, self.last, self.idle = 1, x[:2].clone(), out\nreturn out",
        ),
        "fresh content in every timed iteration",
        expected=WRONG | VIOLATION,
        refused=False,
    ),
    _case(
        "rows left out that are as they were in the call before",
        _remembering(1),
        "audit clock: inputs that did not exist before",
        expected=VIOLATION,
        refused=False,
    ),
    _case(
        "every tenth row left out that is as it was in the call before",
        _remembering(10),
        "its claims on fresh inputs",
        expected=VIOLATION,
        refused=False,
        paid_in_time=False,
    ),
    _case(
        "a tenth left out by a kernel that counts its calls, once the audits are over",
        forwarding(_COUNTING, kernel=_COUNTED, init="self.counted = None"),
        "spot checks of timed forwards",
        expected=WRONG,
        refused=False,
        paid_in_time=False,
    ),
    _case(
        "a tenth left out of long forwards, which no graph holds, once the check is over",
        forwarding(_LONG),
        "spot checks of timed forwards",
        expected=WRONG,
        refused=False,
        paid_in_time=False,
    ),
    _case(
        "forwards that overlap each other around the ring",
        forwarding(
            # its name put together, which no rule about names sees
            "out = torch.empty_like(x)\n"
            + LAUNCH.replace("BLOCK=1024", "BLOCK=1024, **{'_'.join(('launch', 'pdl')): 1}")
            + "return out",
            kernel=_OVERLAPPING,
        ),
        "launch options that workers refuse",
        expected=FAULT | frozenset({Status.COMPILE_ERROR}),
        said="launch_pdl is not allowed",
        shows="cpu",
        refused=False,
        paid_in_time=False,
    ),
    _case(
        "work in the constructor",
        forwarding(
            "out = torch.empty_like(x)\nif self.done is not None and self.done.shape == x.shape:\n"
            f"    return self.done\n{LAUNCH}return out",
            init="torch.manual_seed(0)\nx = torch.randn(20000, 1000)\nself.done = " + ANSWER + "\n"
            "self.done = self.done if x.data_ptr() else None",
        ),
        "seeds of 62 secret bits",
        paid_in_time=False,
        refused=False,
    ),
    _case(
        "weights prepared before the true ones came",
        candidate("if not hasattr(self, 'unused'):\n    self.unused = 1")
        .replace("self.gain, self.shift, out", "self.early_gain, self.early_shift, out")
        .replace(
            "        self.calls = 0\n",
            "        self.calls = 0\n        self.early_gain = self.gain.detach().clone()\n"
            "        self.early_shift = self.shift.detach().clone()\n",
        ),
        "weights perturbed in secret",
        expected=WRONG,
        shows="cpu",
        refused=False,
        paid_in_time=False,
    ),
    _case(
        "leaves work for the next candidate's turn",
        candidate(
            after="with torch.cuda.stream(self.side):\n    torch.cuda._sleep(50_000_000)\nreturn out",
            init="self.side = torch.cuda.Stream()",
        ),
        "canary before each block",
        expected=VIOLATION | WRONG,
    ),
)
