from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from candidates.identity import digest
from evaluator.gpus import Gpu
from evaluator.tasks import Category, Task, Tolerance
from evaluator.verdict import KernelFacts, Status, Verdict
from harness.proposers.base import Context
from prompts.stages import Section, Stage
from tests.harness.llm.conftest import server as server

RTX_4090 = Gpu(
    name="rtx4090",
    title="NVIDIA GeForce RTX 4090",
    architecture="Ada Lovelace",
    compute_capability="8.9",
    device_names=("4090",),
    sms=128,
    memory_gb=24,
    bandwidth_gb_s=1008,
    fp64_tflops=1.29,
    fp32_tflops=82.6,
    tf32_tflops=82.6,
    bf16_tflops=165.2,
    fp16_tflops=165.2,
    threads_per_sm=1536,
    warps_per_sm=48,
    blocks_per_sm=24,
    shared_per_sm_bytes=102_400,
    shared_per_block_bytes=101_376,
    l2_mb=72,
)


def stage(*rules: Any, template: str = "optimize", **parameters: tuple[int, ...]) -> Stage:
    """A stage that allows these values."""
    section = Section(focus="launch parameters", parameters=parameters, rules=rules)
    return Stage(name="finetune", title="Launch parameters", template=template, single=section, fusion=section)


def kernel(name: str, **facts: Any) -> KernelFacts:
    return KernelFacts(name=name, **facts)


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., Context]:
    def make(source: str, stage: Stage, *kernels: KernelFacts, category: Category = "fusion", **more: Any) -> Context:
        tolerance = Tolerance(rtol=1e-4, atol=1e-4, reference_factor=2)
        task = Task(name="t", reference="", path=tmp_path, category=category, tolerance=tolerance)
        verdict = Verdict(status=Status.VERIFIED, task="t", device="rtx4090", kernels=kernels) if kernels else None
        known = {"digest": digest(source), "seen": frozenset({digest(source)}), "verdict": verdict} | more
        return Context(task=task, gpu=RTX_4090, stage=stage, round=1, source=source, **known)

    return make
