"""`stage=all proposer=rules`: runs of every bundled task from recorded verdicts, and one in the real sandbox."""

import ast
import io
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from candidates.store import Step, Store
from evaluator.catalog import load_task, task_names
from evaluator.verdict import KernelFacts, Profile
from harness.proposers.module import Module
from harness.run import execute
from harness.settings import SearchSettings, Settings
from tests.harness.recording import CONF, RecordedEvaluator, Ties, kernel, settings, timing, verdict

ALL = ("grid", "tiling", "memory", "finetune")
TASKS = tuple(task_names(CONF))
OPENING = {  # what each stage opens with, for kernels of narrow programs about which nothing was counted
    "convtranspose_layernorm_gelu": {"grid": "rows a program 1 -> 8", "finetune": "autotune 3 configurations ->"},
    "layernorm_gelu_scale": {
        "grid": "rows a program 1 -> 8",
        "tiling": "BLOCK ",
        "memory": "a whole row",
        "finetune": "num_",
    },
    "matmul_bias_relu": {"grid": "tiles in groups", "tiling": "BLOCK_", "finetune": "num_"},
    "rmsnorm": {"grid": "rows a program 1 -> ", "tiling": "BLOCK ", "memory": "a whole row", "finetune": "num_"},
    "softmax": {"grid": "rows a program 1 -> ", "tiling": "BLOCK ", "memory": "a whole row", "finetune": "num_"},
    "swiglu": {"grid": "rows a program 1 -> ", "tiling": "BLOCK ", "finetune": "num_"},
}


def facts(start: str, **known: Any) -> KernelFacts:
    """Static facts of the task's kernel, narrow unless said otherwise."""
    (name,) = Module(start).definitions()
    return kernel(constants={"BLOCK": 64}).model_copy(update={"name": name, **known})


def run(given: Settings, evaluator: RecordedEvaluator) -> tuple[str, tuple[Step, ...]]:
    """The output and the steps of one run."""
    out = io.StringIO()
    assert execute(given, Console(file=out, width=160), opener=lambda _: cast(Any, evaluator)) == 0
    with Store.open("", given.store.root) as store:
        return out.getvalue(), store.steps(store.runs()[0].id)


def given(root: Path, task: str, stages: tuple[str, ...] = ALL, rounds: int = 2, device: str = "") -> Settings:
    search = SearchSettings(rounds=rounds, patience=rounds)
    return settings(root, task=load_task(task, CONF), stages=stages, search=search, device=device)


@pytest.mark.parametrize("task", TASKS)
def test_every_bundled_task_goes_through_all_stages(task: str, tmp_path: Path) -> None:
    asked = given(tmp_path, task)

    output, steps = run(asked, RecordedEvaluator(Ties(verdict(kernels=(facts(asked.task.start),)))))

    first = {step.stage: step.change for step in reversed(steps) if step.kind == "proposal" and step.candidate}
    assert first.keys() == OPENING[task].keys()
    assert [stage for stage, change in OPENING[task].items() if not first[stage].startswith(change)] == []
    for stage in ALL:
        assert f"{stage} ends: " in output
    judged = [step for step in steps if step.candidate]
    assert len({step.candidate for step in judged}) == len(judged)
    with Store.open("", tmp_path) as store:
        for step in judged:
            ast.parse(store.source(step.candidate))


def test_each_stage_starts_from_the_best_so_far(tmp_path: Path) -> None:
    asked = given(tmp_path, "softmax", rounds=1)

    _, steps = run(asked, RecordedEvaluator(Ties(verdict(kernels=(facts(asked.task.start),)))))

    proposed = [step for step in steps if step.candidate and step.kind == "proposal"]
    assert [step.decision for step in proposed] == ["nominated"] * 4
    assert [step.parent for step in proposed] == [step.candidate for step in [steps[0], *proposed[:-1]]]


def test_stages_come_in_the_order_asked_for_and_may_come_again(tmp_path: Path) -> None:
    asked = given(tmp_path, "softmax", stages=("finetune", "tiling", "finetune"), rounds=1)

    _, steps = run(asked, RecordedEvaluator(Ties(verdict(kernels=(facts(asked.task.start),)))))

    assert [step.stage for step in steps if step.candidate] == ["start", "finetune", "tiling", "finetune"]


class Counted(RecordedEvaluator):
    """Answers with the same counters for every kernel."""

    counters: dict[str, float]

    def profile(self, request: Any, metrics: tuple[str, ...]) -> Profile:
        (name,) = Module(request.source).definitions()
        return Profile(source="ncu", kernels={name: self.counters})


def test_a_stage_is_skipped_with_the_fact_that_decided_and_never_for_want_of_one(tmp_path: Path) -> None:
    asked = given(tmp_path, "rmsnorm", rounds=1, device="GPU-00000000-0000-0000-0000-000000000000")
    wide = facts(asked.task.start, constants={"BLOCK": 2048})
    evaluator = Counted(Ties(verdict(ms=1.0, kernels=(wide,))))
    evaluator.counters = {"sm__throughput.avg.pct_of_peak_sustained_elapsed": 81.5}

    output, _ = run(asked, evaluator)

    assert "grid skipped: sm_throughput 81.5 >= 75, elements_per_thread 16 >= 4" in output
    assert "tiling skipped" not in output  # warps_active was not counted


def test_the_default_tasks_finetuning_stops_with_the_figure(tmp_path: Path) -> None:
    asked = given(tmp_path, TASKS[0], stages=("finetune",), rounds=4, device="GPU-00000000-0000-0000-0000-000000000000")
    assert asked.task.name == "convtranspose_layernorm_gelu"
    evaluator = Counted(Ties(verdict(ms=15.5, kernels=(facts(asked.task.start),))))
    evaluator.counters = {"dram__throughput.avg.pct_of_peak_sustained_elapsed": 92.0}

    output, steps = run(asked, evaluator)

    assert "finetune ends: num_warps, num_stages left alone in norm_gelu_scale_kernel" in output
    assert "dram_throughput 92 >= 90" in output
    assert len([step for step in steps if step.candidate]) == 1  # the start alone was evaluated


def test_a_measured_gain_carries_over_to_the_next_stage(tmp_path: Path) -> None:
    asked = given(tmp_path, "softmax", rounds=1, device="GPU-00000000-0000-0000-0000-000000000000")
    narrow = facts(asked.task.start)
    table = Faster(verdict(ms=1.0, kernels=(narrow,)))

    _, steps = run(asked, RecordedEvaluator(table))

    assert [step.decision for step in steps if step.candidate] == ["start", "kept", "kept", "kept", "kept"]


class Faster(dict[str, Any]):
    """A table in which every further candidate takes a tenth less time."""

    def __init__(self, first: Any) -> None:
        super().__init__()
        self._next = first

    def __missing__(self, key: str) -> Any:
        self[key] = found = self._next
        self._next = found.model_copy(update={"time": timing(0.9 * found.time.median_ms)})
        return found


@pytest.mark.slow
def test_a_run_through_all_stages_in_the_real_sandbox(tmp_path: Path) -> None:
    asked = given(tmp_path, "layernorm_gelu_scale", rounds=1)
    out = io.StringIO()

    assert execute(asked, Console(file=out, width=160)) == 0

    with Store.open("", tmp_path) as store:
        steps = [step for step in store.steps(store.runs()[0].id) if step.candidate]
    assert [step.stage for step in steps] == ["start", "grid", "tiling", "memory", "finetune"]
    assert {step.verdict.status for step in steps if step.verdict} == {"verified"}
    for stage in ALL:
        assert f"{stage} ends: " in out.getvalue()
