"""Verdicts on a real GPU: the oracle, the sandbox with devices, CUDA IPC, the stopwatch and the profiler."""

import hashlib
from pathlib import Path

import pytest

from evaluator.catalog import load_task, load_tolerance
from evaluator.devices import Target
from evaluator.request import EvaluatorSettings, Incumbent, Limits, Request, Timer
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Status, Verdict

from .candidates import FORWARD, KERNEL, MODEL, REFERENCE, candidate

CONF = Path(__file__).parents[2] / "conf"

pytestmark = pytest.mark.gpu
SETTINGS = EvaluatorSettings(
    sanitizer="none",  # some seconds of each verdict; it has tests of its own
    baselines=("eager",),
    limits=Limits(first_forward_s=30, forward_s=10),
    timer=Timer(rounds=5, max_seconds=1.0),
)


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(
        name="scaled_relu", reference=REFERENCE, path=Path("scaled_relu.py"), tolerance=load_tolerance("standard", CONF)
    )


def request(task: Task, target: Target, source: str, incumbent: Incumbent | None = None) -> Request:
    digest = hashlib.sha256(source.encode()).hexdigest()
    return Request(source=source, digest=digest, task=task, target=target.gpu, incumbent=incumbent)


def judge(evaluator: Evaluator, task: Task, target: Target, source: str) -> Verdict:
    return evaluator.evaluate(request(task, target, source))


def test_a_right_candidate_is_measured(evaluator: Evaluator, task: Task, target: Target) -> None:
    verdict = judge(evaluator, task, target, candidate())
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert verdict.measured
    assert verdict.time is not None
    assert verdict.time.low_ms <= verdict.time.median_ms <= verdict.time.high_ms
    assert verdict.baseline["eager"] is not None
    assert verdict.evidence.transport == "cuda-ipc"
    assert verdict.evidence.checked_on == "device"
    seconds = verdict.evidence.seconds
    assert min(seconds["compile"], seconds["check"], seconds["time"]) > 0
    (kernel,) = verdict.kernels
    assert (kernel.name, kernel.grid, kernel.launches) == ("scaled_relu_kernel", (2000,), 1)
    assert kernel.time_share is not None
    assert kernel.time_share > 0.3


def test_a_candidate_ties_with_itself_and_beats_a_slower_one(evaluator: Evaluator, task: Task, target: Target) -> None:
    slow = candidate(MODEL.replace(FORWARD, "        for _ in range(3): out = out.clone()\n" + FORWARD))
    first = judge(evaluator, task, target, slow)
    assert first.status is Status.VERIFIED
    digest = hashlib.sha256(slow.encode()).hexdigest()
    incumbent = Incumbent(digest=digest, source=slow)
    better = evaluator.evaluate(request(task, target, candidate(), incumbent))
    assert better.gain is not None
    assert better.gain.low > 0.1
    same = evaluator.evaluate(request(task, target, slow + "\n# the same\n", incumbent))
    assert same.gain is not None
    assert abs(same.gain.estimate) < 0.02


LIAR = """
_elapsed = torch.cuda.Event.elapsed_time
torch.cuda.Event.elapsed_time = lambda begin, end: 0.5 * _elapsed(begin, end)
"""
BUSY = """
import threading

def _disturb():
    stream = torch.cuda.Stream()
    while True:
        with torch.cuda.stream(stream):
            for _ in range(2):
                torch.cuda._sleep(400_000_000)
        stream.synchronize()

threading.Thread(target=_disturb, daemon=True).start()
"""


def test_a_worker_whose_events_lie_is_found_out(evaluator: Evaluator, target: Target) -> None:
    bundled = load_task("softmax", CONF)
    verdict = judge(evaluator, bundled, target, bundled.start + LIAR)
    assert verdict.status is Status.INTEGRITY_VIOLATION
    assert "oracle's clock" in verdict.reason


def test_a_candidate_that_disturbs_while_it_waits_is_named(evaluator: Evaluator, target: Target) -> None:
    bundled = load_task("softmax", CONF)
    first = judge(evaluator, bundled, target, bundled.start)
    assert first.status is Status.VERIFIED, first.reason
    incumbent = Incumbent(digest=hashlib.sha256(bundled.start.encode()).hexdigest(), source=bundled.start)
    verdict = evaluator.evaluate(request(bundled, target, bundled.start + BUSY, incumbent))
    assert verdict.status is Status.INTEGRITY_VIOLATION
    assert "candidate" in verdict.reason


def test_a_gain_is_confirmed_afresh(evaluator: Evaluator, task: Task, target: Target) -> None:
    slow = candidate(MODEL.replace(FORWARD, "        for _ in range(3): out = out.clone()\n" + FORWARD))
    judge(evaluator, task, target, slow)
    incumbent = Incumbent(digest=hashlib.sha256(slow.encode()).hexdigest(), source=slow)
    better = evaluator.evaluate(request(task, target, candidate(), incumbent))
    assert better.gain is not None
    assert better.gain.confirmed


def test_what_does_not_fit_the_card_twice_is_compared_one_after_the_other(task: Task, target: Target) -> None:
    assert target.device is not None
    settings = EvaluatorSettings(baselines=(), memory_cap_gb=1.0)
    incumbent = Incumbent(digest=hashlib.sha256(candidate().encode()).hexdigest(), source=candidate())
    with Evaluator(settings, device=target.device.uuid, target=target.gpu) as small:
        verdict = small.evaluate(request(task, target, candidate() + "\n# the same\n", incumbent))
    assert verdict.gain is not None, verdict.evidence.notes
    assert abs(verdict.gain.estimate) < 0.05
    assert any("one after the other" in note for note in verdict.evidence.notes)


def test_tuning_is_recorded_and_pinned(evaluator: Evaluator, task: Task, target: Target) -> None:
    tuned = KERNEL.replace(
        "@triton.jit",
        "@triton.autotune(configs=[triton.Config({}, num_warps=w) for w in (1, 4)], key=['width'])\n@triton.jit",
    )
    first = judge(evaluator, task, target, candidate(kernel=tuned))
    assert first.status is Status.VERIFIED, first.reason
    (entry,) = first.evidence.autotune["scaled_relu_kernel"]
    assert entry["num_warps"] in (1, 4)
    other = dict(first.evidence.autotune)
    other["scaled_relu_kernel"] = [entry | {"num_warps": 5 - entry["num_warps"]}]
    again = request(task, target, candidate(kernel=tuned)).model_copy(update={"autotune": other})
    assert evaluator.evaluate(again).kernels[0].num_warps == 5 - entry["num_warps"]


def test_the_profiler_reads_counters_or_says_why_not(evaluator: Evaluator, task: Task, target: Target) -> None:
    wanted = ("dram__throughput.avg.pct_of_peak_sustained_elapsed", "no__such_metric.sum")
    profile = evaluator.profile(request(task, target, candidate()), wanted)
    if profile.source == "static":
        assert profile.reason
        return
    values = profile.kernels["scaled_relu_kernel"]
    assert 0 < values["dram__throughput.avg.pct_of_peak_sustained_elapsed"] <= 100
    assert values["gpu__time_duration.sum"] > 0
    assert profile.missing == ("no__such_metric.sum",)


POINTER = KERNEL.replace("out_ptr + row * width", "out_ptr + (row + 10**9) * width")
# The loop reads memory again and again: one without an effect would be removed by the compiler.
ENDLESS = KERNEL.replace(
    "    x = tl.load(",
    "    probe = tl.load(gain_ptr, volatile=True)\n"
    "    while probe < 1e30:\n"
    "        probe = tl.load(gain_ptr, volatile=True)\n"
    "    x = tl.load(",
    1,
)
HARMFUL = {
    "illegal access": (candidate(kernel=POINTER), {Status.RUNTIME_ERROR}),
    "exhausted memory": (
        candidate(MODEL.replace(FORWARD, "        hoard = [torch.empty(2**34, device='cuda') for _ in range(99)]\n")),
        {Status.RUNTIME_ERROR},
    ),
    "endless kernel": (candidate(kernel=ENDLESS), {Status.TIMEOUT}),
    "hard exit": (candidate(MODEL.replace(FORWARD, "        import os; os._exit(7)\n")), {Status.CRASHED}),
    "wrong": (candidate(kernel=KERNEL.replace("x * gain", "x")), {Status.WRONG_OUTPUT}),
    "input changed": (
        candidate(MODEL.replace(FORWARD, "        x.zero_()\n" + FORWARD)),
        {Status.INTEGRITY_VIOLATION},
    ),
    "no kernel": (
        candidate(
            MODEL.replace("        out = torch.empty_like(x)\n", "        return torch.relu(x * self.gain) * 3.0\n")
        ),
        {Status.INTEGRITY_VIOLATION},
    ),
}


@pytest.mark.parametrize(("source", "expected"), HARMFUL.values(), ids=HARMFUL.keys())
def test_harm_costs_one_candidate_and_nothing_else(
    evaluator: Evaluator, task: Task, target: Target, source: str, expected: set[Status]
) -> None:
    verdict = judge(evaluator, task, target, source)
    assert verdict.status in expected, verdict.reason
    assert judge(evaluator, task, target, candidate()).status is Status.VERIFIED


@pytest.mark.parametrize("name", ["softmax", "rmsnorm", "swiglu", "layernorm_gelu_scale", "matmul_bias_relu"])
def test_bundled_starts_are_right(evaluator: Evaluator, target: Target, name: str) -> None:
    bundled = load_task(name, CONF)
    verdict = judge(evaluator, bundled, target, bundled.start)
    assert verdict.status is Status.VERIFIED, verdict.reason
