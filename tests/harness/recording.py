"""Deterministic stand-ins for the two expensive parts of a run: verdicts from a table, replies from a script."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from candidates import identity
from candidates.store import Step
from evaluator.catalog import load_gpus
from evaluator.request import EvaluatorSettings, Request
from evaluator.tasks import Task, Tolerance
from evaluator.triton_api import TritonApi
from evaluator.verdict import Evidence, Gain, KernelFacts, Profile, Status, Timing, Verdict
from harness.proposers.base import Context, Cost, Proposal
from harness.settings import (
    BudgetSettings,
    LlmSettings,
    ProposerSettings,
    SearchSettings,
    Settings,
    StoreSettings,
)
from prompts.catalog import load_stages

CONF = Path(__file__).resolve().parents[2] / "conf"
RTX_4090 = next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")
STAGES = load_stages(CONF)
UUID = "GPU-00000000-0000-0000-0000-000000000000"
API = TritonApi(
    version="3.7.1",
    language=frozenset({"constexpr", "load", "store", "arange", "program_id", "cdiv"}),
    libdevice=frozenset(),
    math=frozenset(),
    tensor=frozenset({"to"}),
    top=frozenset({"jit", "cdiv"}),
)

SOURCE = """import torch
import triton
import triton.language as tl


@triton.jit
def scale_kernel(x, y, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    tl.store(y + offsets, tl.load(x + offsets, mask=mask) * {factor}, mask=mask)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        grid = (triton.cdiv(x.numel(), 256),)
        scale_kernel[grid](x, y, x.numel(), BLOCK=256, num_warps=4, num_stages=2)
        return y
"""


def source(factor: int) -> str:
    """A candidate of its own for each factor."""
    return SOURCE.format(factor=factor)


def digest(factor: int) -> str:
    """The identity of `source(factor)`."""
    return identity.digest(source(factor))


TOOK = {"seconds", "reply_seconds", "evaluation_seconds", "gpu_seconds"}


def entry(step: Step) -> dict[str, Any]:
    """A step as it is recorded, but for how long things took and which run it belongs to."""
    return step.model_dump(mode="json", exclude={*TOOK, "run"})


def reply(text: str) -> str:
    """What a model says around code."""
    return f"Here is the kernel:\n\n```python\n{text}```\n"


def task(start: str = SOURCE.format(factor=0)) -> Task:
    """A small task with a starting candidate."""
    return Task(
        name="scale",
        reference="class Model: ...",
        path=Path("scale.py"),
        category="fusion",
        tolerance=Tolerance(rtol=1e-4, atol=1e-5, reference_factor=2.0),
        start=start,
    )


def settings(root: Path, *, device: str = UUID, stages: Sequence[str] = ("finetune",), **changes: Any) -> Settings:
    """Settings of a run of the task above; `changes` replace whole groups."""
    given: dict[str, Any] = {
        "task": task(),
        "gpu": RTX_4090,
        "device": device,
        "stages": tuple(STAGES[name] for name in stages),
        "repair": STAGES["repair"],
        "draft": STAGES["draft"],
        "proposer": ProposerSettings(kind="rules", reason="a test asks for it"),
        "llm": LlmSettings(),
        "search": SearchSettings(rounds=4, patience=4),
        "budget": BudgetSettings(usd=None),
        "evaluator": EvaluatorSettings(),
        "store": StoreSettings(root=root),
        "key": "a" * 64,
    }
    return Settings(**{**given, **changes})


def timing(ms: float) -> Timing:
    """A narrow interval around a time."""
    return Timing(median_ms=ms, low_ms=ms * 0.999, high_ms=ms * 1.001, samples_ms=(ms,))


def kernel(registers: int | None = 32, spill_bytes: int = 0, occupancy: float = 1.0, **more: Any) -> KernelFacts:
    """Static facts of one kernel."""
    given: dict[str, Any] = {"num_warps": 4, "num_stages": 2, "fits": True, "shared_bytes": 0, **more}
    return KernelFacts(name="scale_kernel", registers=registers, spill_bytes=spill_bytes, occupancy=occupancy, **given)


def verdict(status: Status = Status.VERIFIED, ms: float | None = None, reason: str = "", **more: Any) -> Verdict:
    """A verdict on the task above; with `ms` a measured one."""
    return Verdict(
        status=status,
        reason=reason,
        task="scale",
        device="NVIDIA GeForce RTX 4090",
        time=timing(ms) if ms else None,
        baseline={"eager": timing(2.0), "compile": timing(1.5)} if ms else {"eager": None, "compile": None},
        kernels=more.pop("kernels", (kernel(),)),
        evidence=Evidence(checked_on="device" if ms else "interpreter", target="NVIDIA GeForce RTX 4090"),
        **more,
    )


def failed(status: Status, reason: str) -> Verdict:
    """A verdict that is none of verified."""
    return verdict(status, reason=reason, kernels=())


class Ties(dict[str, Verdict]):
    """A table in which every candidate that is not listed has the same verdict."""

    def __init__(self, common: Verdict | None = None, listed: Mapping[str, Verdict] | None = None) -> None:
        super().__init__(listed or {})
        self.common = common or verdict()

    def __missing__(self, key: str) -> Verdict:
        return self.common


@dataclass
class RecordedEvaluator:
    """Answers from a table: digest -> verdict. The gain over an incumbent follows from the two recorded times.

    Satisfies what the loop needs of `evaluator.service.Evaluator`; a candidate that is not in the table is an error of
    the test.
    """

    table: Mapping[str, Verdict]
    asked: list[str] = field(default_factory=list)
    profiled: list[str] = field(default_factory=list)
    on_evaluate: Callable[[Request], None] = lambda request: None

    def describe(self) -> dict[str, Any]:
        return {"device": "NVIDIA GeForce RTX 4090", "software": {}, "fingerprint": "recorded"}

    def evaluate(self, request: Request, progress: Callable[[str], None] | None = None) -> Verdict:
        if progress:
            progress("reading the record")
        self.on_evaluate(request)
        self.asked.append(request.digest)
        found = self.table[request.digest]
        if found.time is None or request.incumbent is None:
            return found
        base = self.table[request.incumbent.digest].time
        assert base is not None
        estimate = 1 - found.time.median_ms / base.median_ms
        gain = Gain(
            estimate=estimate,
            low=estimate - 0.002,
            incumbent=request.incumbent.digest,
            incumbent_ms=base.median_ms,
            rounds=10,
        )
        return found.model_copy(update={"gain": gain})

    def profile(self, request: Request, metrics: tuple[str, ...]) -> Profile:
        self.profiled.append(request.digest)
        return Profile(source="static", missing=metrics, reason="recorded verdicts carry no counters")

    def __enter__(self) -> "RecordedEvaluator":
        return self

    def __exit__(self, *exception: object) -> None:
        pass


@dataclass(frozen=True)
class Script:
    """Replies by round: the first of a round is its proposal, the others are its repairs.

    What is answered depends on the context alone, so that it is the same after an interruption. Beyond the script
    there is nothing to offer.
    """

    rounds: Sequence[Sequence[str]]
    cost: Cost = Cost(prompt_tokens=100, completion_tokens=50, usd=0.01, seconds=0.0, calls=1)
    name: str = "llm"

    def propose(self, context: Context) -> Proposal | None:
        answers = self.rounds[context.round - 1] if context.round <= len(self.rounds) else ()
        number = 0
        if context.failure is not None:
            number = 1 + sum(1 for attempt in reversed(context.history) if self._repairs(attempt.change, context.round))
        if number >= len(answers):
            return None
        kind = "repair" if number else "proposal"
        return Proposal(
            proposer=self.name,
            change=f"{kind} {context.round}.{number}",
            prompt=f"prompt {context.round}.{number}",
            reply=answers[number],
            model="script",
            cost=self.cost,
        )

    def _repairs(self, change: str, number: int) -> bool:
        return change.startswith(f"repair {number}.")
