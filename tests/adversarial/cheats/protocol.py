"""Forgeries: candidates that speak for the worker, or change it from within, since they share its process."""

from evaluator.verdict import Status
from tests.adversarial.case import ANSWER, CAUGHT, CRASH, VIOLATION, WRONG, Case, candidate, forwarding, lines

_CHANNEL = """\
import json, os, socket, struct, sys

FD = int(sys.argv[-1])


def forge(message):
    body = json.dumps(message).encode()
    os.write(FD, struct.pack("!I", len(body)) + body)
"""
_CLAIM = (
    '{"ok": True, "structure": {"tensor": 0}, "outputs": '
    '[{"shape": list(x.shape), "dtype": "float32", "device": x.device.type}]}'
)
_FAKE_FACTS = (
    '{"name": "scaled_relu", "registers": 16, "spill_bytes": 0, "shared_bytes": 0, "num_warps": 4, "num_stages": 3, '
    '"launches": 1, "grid": [20000], "constants": {}, "time_share": 1.0}'
)
_FORGED_FACTS = f"""\
import sys

FACTS = {{"kernels": [{_FAKE_FACTS}], "notes": [], "autotune": {{}}, "sizes": "true", "operators": {{}}}}
for name, function in (("aot", "compile_candidate"), ("observation", "observe")):
    if f"evaluator.inside.{{name}}" in sys.modules:
        setattr(sys.modules[f"evaluator.inside.{{name}}"], function, lambda *a, **k: FACTS)
"""


def _malformed(name: str, claim: str) -> Case:
    """A worker whose answers have another form than the oracle expects."""
    head = f"""\
import sys
from evaluator.inside import model

model.Session.deliver = lambda *a, **k: {claim}
for name, function in (("aot", "compile_candidate"), ("observation", "observe")):
    if f"evaluator.inside.{{name}}" in sys.modules:
        setattr(sys.modules[f"evaluator.inside.{{name}}"], function, lambda *a, **k: {claim})
"""
    return Case(name, "protocol", candidate(head=head), CAUGHT, "the form of every answer is checked", refused=True)


def _loud(name: str, deed: str, by: str, **more: object) -> Case:
    source = candidate(f"if x.data_ptr():\n{lines(deed, 1)}", "return out * 0.0", head=_CHANNEL)
    given: dict[str, object] = {"expected": CAUGHT, "refused": True}
    return Case(name, "protocol", source, caught_by=by, **(given | more))  # type: ignore[arg-type]


_CLOCK = """\
from evaluator.inside import timing

honest, singly = timing.Stopwatch.rounds, timing.Stopwatch.singles
timing.Stopwatch.rounds = lambda self, *block: [CLAIM for _ in honest(self, *block)]
timing.Stopwatch.singles = lambda self, *block: [CLAIM for _ in singly(self, *block)]
"""

_ACQUITTED = f"""\
{_FORGED_FACTS}
import torch
from evaluator.inside.operators import Operators
from evaluator.inside.scrutiny import Scrutiny

Operators._count = lambda *call: None  # where the ring is captured, and in forwards that are asked for bare


def forward(self, message):
    value = self._session.forward()
    value = torch.zeros_like(value) if message.get("stub") else value
    self._held = value if message.get("hold") else self._held
    answer = self._session.deliver(value, message["output_places"])
    return answer | {{"operators": {{}}, "launched": {{"scaled_relu": 1}}, "shared": [], "types": ["torch.Tensor"]}}


Scrutiny.forward = forward
"""

_UNDELIVERED = """\
import sys
from evaluator.inside import model, tree


def deliver(self, value, places):
    return {"structure": {"tensor": 0}, "outputs": [
        {"shape": p["shape"], "dtype": p["dtype"], "device": "cuda"} for p in places]}


model.Session.deliver = deliver
"""

_REWRITTEN = """\
import gc
from evaluator.inside.memory import Loans


def lent():
    for thing in gc.get_objects():
        if isinstance(thing, Loans):
            yield from thing._bytes.values()
"""

CASES = (
    _loud("a forged answer before the true one", f"forge({_CLAIM})", "comparison of the oracle's copy"),
    _loud(
        "a hundred forged answers",
        f"for _ in range(100): forge({_CLAIM})",
        "comparison of the oracle's copy",
    ),
    _loud(
        "a forged verdict",
        'forge({"ok": True, "verdict": {"status": "verified"}})',
        "a verdict is the oracle's own",
    ),
    _loud(
        "a verdict on stdout",
        'print(json.dumps({"ok": True, "verdict": {"status": "verified", "time": 0.001}}), flush=True)',
        "standard output means nothing",
        expected=WRONG,
    ),
    _loud("a closed channel", "os.close(FD)", "a broken channel", expected=CRASH),
    _loud(
        "a frame of four gigabytes",
        'os.write(FD, struct.pack("!I", 0xFFFFFFFF))',
        "bounded messages",
        expected=CRASH,
    ),
    _loud(
        "a frame nested too deeply",
        'body = b"[" * 2000000\nsocket.socket(fileno=os.dup(FD)).sendall(struct.pack("!I", len(body)) + body)',
        "bounded messages",
        expected=CRASH,
    ),
    _loud(
        "a frame that never ends",
        'os.write(FD, struct.pack("!I", 1000))\nos.close(FD)',
        "bounded messages",
        expected=CRASH | {Status.TIMEOUT},
    ),
    Case(
        "outputs claimed, not delivered",
        "protocol",
        candidate(head=_UNDELIVERED),
        CAUGHT,
        "receiving memory poisoned",
        refused=True,
    ),
    Case(
        "lent memory overwritten",
        "protocol",
        candidate(after="for raw in lent(): raw.zero_()\nreturn out * 0.0", head=_REWRITTEN),
        WRONG | VIOLATION,
        "expected values are computed from the seed alone",
        refused=True,
    ),
    Case(
        "facts about a kernel that is not there",
        "protocol",
        forwarding(f"return {ANSWER}", head=_FORGED_FACTS, kernel=""),
        VIOLATION,
        "ablation in a second worker",
        refused=True,
    ),
    Case(
        "observers replaced by ones that acquit",
        "protocol",
        forwarding(f"return {ANSWER}", head=_ACQUITTED, kernel=""),
        VIOLATION,
        "static rules; without them nothing outside of its process sees what launched the work",
        refused=True,
        torch_is_free=False,
        known="who works, torch or a kernel, is seen from within the candidate's process only",
    ),
    _malformed("an answer without its parts", "{}"),
    _malformed("an answer with other types", '{"kernels": 7, "notes": "x", "structure": [], "outputs": 3}'),
    _malformed(
        "an answer with impossible facts",
        '{"kernels": [{"name": 5, "registers": "many"}], "notes": [], "autotune": {}, "structure": {}, "outputs": [1]}',
    ),
    Case(
        "times claimed that nothing can run in",
        "protocol",
        candidate(head=_CLOCK.replace("CLAIM", "1e-4")),
        VIOLATION,
        "audit clock",
        shows="gpu",
        refused=True,
    ),
    Case(
        "times that are no numbers",
        "protocol",
        candidate(head=_CLOCK.replace("CLAIM", "float('nan')")),
        CAUGHT,
        "claims of time are checked",
        shows="gpu",
        refused=True,
    ),
)
