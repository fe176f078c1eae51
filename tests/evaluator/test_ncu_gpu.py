"""On a GPU with Nsight Compute: what is asked for is known, and the right launches are told apart."""

import hashlib
from pathlib import Path

import pytest

from evaluator.catalog import load_task, load_tolerance
from evaluator.devices import Target
from evaluator.oracle import ncu
from evaluator.oracle.ncu_table import DURATION
from evaluator.request import EvaluatorSettings, Limits, Request
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Profile
from prompts.metrics import load_metrics

from .candidates import KERNEL, MODEL, REFERENCE, candidate
from .reach import let_everybody_reach

CONF = Path(__file__).parents[2] / "conf"
DRAM = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
GRID = "launch__grid_size"

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def profiler() -> Path:
    found = ncu.find("auto")
    if found is None:
        pytest.skip("Nsight Compute is not installed")
    return found


def small_task() -> Task:
    tolerance = load_tolerance("standard", CONF)
    return Task(name="scaled_relu", reference=REFERENCE, path=Path("scaled_relu.py"), tolerance=tolerance)


def take(evaluator: Evaluator, target: Target, task: Task, source: str, *metrics: str) -> Profile:
    digest = hashlib.sha256(source.encode()).hexdigest()
    profile = evaluator.profile(Request(source=source, digest=digest, task=task, target=target.gpu), metrics)
    if "ERR_NVGPUCTRPERM" in profile.reason:
        pytest.skip(profile.reason)
    assert profile.source == "ncu", profile.reason
    return profile


def test_every_metric_that_stages_ask_for_is_known_here(profiler: Path) -> None:
    assert ncu.version(profiler)
    assert ncu.unknown(profiler, [*load_metrics(), "smsp__no_such_metric.sum"]) == ("smsp__no_such_metric.sum",)


def test_every_metric_comes_back_for_the_default_task(profiler: Path, evaluator: Evaluator, target: Target) -> None:
    task = load_task("convtranspose_layernorm_gelu", CONF)
    profile = take(evaluator, target, task, task.start, *load_metrics())
    assert (profile.missing, profile.missing_of) == ((), {})
    values = profile.kernels["norm_gelu_scale_kernel"]
    assert values[GRID] == 4_194_304
    assert 1e5 < values[DURATION] < 1e9  # ns: between 0.1 ms and a second
    assert 5 < values[DRAM] <= 100
    assert profile.launches == {"norm_gelu_scale_kernel": 1}  # tuning's trials are not among them


def test_several_launches_and_kernels_are_told_apart(profiler: Path, evaluator: Evaluator, target: Target) -> None:
    idle = KERNEL.replace("scaled_relu_kernel", "idle_kernel")
    # Before the launch over all rows comes one over eight of them: the longest is the representative.
    launch = next(line for line in MODEL.splitlines() if "scaled_relu_kernel[" in line)
    model = MODEL.replace(launch, f"{launch.replace('(rows,)', '(8,)')}\n{launch}")
    source = candidate(model, kernel=KERNEL + idle)
    profile = take(evaluator, target, small_task(), source, GRID, "smsp__no_such_metric.sum")
    assert profile.launches == {"scaled_relu_kernel": 2}
    assert profile.kernels["scaled_relu_kernel"][GRID] == 2000
    assert profile.missing_of == {"scaled_relu_kernel": ("smsp__no_such_metric.sum",)}
    said = " ".join(profile.notes)
    assert "does not know smsp__no_such_metric.sum" in said
    assert "no launch of idle_kernel" in said
    assert "launched 2 times" in said


def test_a_profiler_that_hangs_costs_a_profile_and_no_more(tmp_path: Path, target: Target) -> None:
    hanging = tmp_path / "ncu"
    hanging.write_text('#!/bin/sh\n[ "$1" = --version ] && exit\n[ "$1" = --query-metrics ] && exit\nsleep 600\n')
    hanging.chmod(0o755)
    let_everybody_reach(tmp_path)
    assert target.device is not None
    settings = EvaluatorSettings(ncu=str(hanging), limits=Limits(start_s=15.0))
    source = candidate()
    digest = hashlib.sha256(source.encode()).hexdigest()
    request = Request(source=source, digest=digest, task=small_task(), target=target.gpu)
    with Evaluator(settings, device=target.device.uuid, target=target.gpu) as evaluator:
        profile = evaluator.profile(request, (DRAM,))
    assert profile.source == "static"
    assert "evaluator.ncu=none" in profile.reason
