"""Facts from verdicts and profiles."""

import pytest

from evaluator.gpus import Gpu
from evaluator.verdict import KernelFacts, Profile, Verdict
from prompts.facts import FACTS, collect, missing_metrics
from prompts.metrics import load_metrics


def test_nothing_known_is_all_unknown(gpu: Gpu) -> None:
    assert collect(None, None, gpu) == dict.fromkeys(FACTS) | {"compute_capability": 8.9}  # the target's


def test_static_facts(compiled: Verdict, gpu: Gpu) -> None:
    facts = collect(compiled, None, gpu)
    assert facts["kernel"] == "relu_scale_kernel"
    assert (facts["registers"], facts["spill_bytes"], facts["distinct_loads"]) == (48, 0, 1)
    assert facts["occupancy_percent"] == 75.0
    assert facts["register_limited"] is False
    assert facts["measured"] is False
    assert facts["grid_size"] == 4096
    assert facts["waves"] == round(4096 / (0.75 * 48 / 4 * 128), 2)  # 9 blocks of 4 warps on each of 128 SMs
    assert facts["compute_bound"] is facts["memory_bound"] is facts["sm_throughput"] is facts["memory_stalls"] is None


def test_profile_and_time(timed: Verdict, profile: Profile, gpu: Gpu) -> None:
    facts = collect(timed, profile, gpu)
    assert facts["dram_throughput"] == 91.99
    assert (facts["compute_bound"], facts["memory_bound"]) == (False, True)
    assert facts["memory_stalls"] == 75.0
    assert (facts["time_ms"], facts["speedup_eager"]) == (0.04, 2.0)
    assert facts["measured"] is True


def test_bound_needs_both_throughputs_and_a_tie_is_neither(gpu: Gpu) -> None:
    sm, dram = "sm__throughput.avg.pct_of_peak_sustained_elapsed", "dram__throughput.avg.pct_of_peak_sustained_elapsed"
    assert collect(None, Profile(source="ncu", kernels={"k": {sm: 90.0}}), gpu)["compute_bound"] is None
    tie = collect(None, Profile(source="ncu", kernels={"k": {sm: 50.0, dram: 50.0}}), gpu)
    assert (tie["compute_bound"], tie["memory_bound"]) == (False, False)


@pytest.mark.parametrize(
    ("blocks", "registers", "shared", "warps", "expected"),
    [
        (24, 5, 16, 12, "registers"),
        (24, 12, 16, 12, "warps"),
        (24, 16, 5, 12, "shared memory"),
        (3, 5, 6, 12, "blocks"),
    ],
)
def test_occupancy_limits_are_block_counts(
    blocks: float, registers: float, shared: float, warps: float, expected: str, gpu: Gpu
) -> None:
    counters = {
        "launch__occupancy_limit_blocks": blocks,
        "launch__occupancy_limit_registers": registers,
        "launch__occupancy_limit_shared_mem": shared,
        "launch__occupancy_limit_warps": warps,
    }
    facts = collect(None, Profile(source="ncu", kernels={"k": counters}), gpu)
    assert facts["limited_by"] == expected
    assert facts["register_limited"] is (expected == "registers")
    del counters["launch__occupancy_limit_warps"]
    assert collect(None, Profile(source="ncu", kernels={"k": counters}), gpu)["register_limited"] is None


def test_the_kernel_with_the_largest_share_is_described(compiled: Verdict, kernel: KernelFacts, gpu: Gpu) -> None:
    first = kernel.model_copy(update={"name": "first", "time_share": 0.2, "registers": 20})
    second = kernel.model_copy(update={"name": "second", "time_share": 0.7, "registers": 90})
    facts = collect(compiled.model_copy(update={"kernels": (first, second)}), None, gpu)
    assert (facts["kernel"], facts["registers"], facts["kernels"]) == ("second", 90, 2)
    assert facts["time_share_percent"] == 70.0


def test_without_shares_the_longest_launch_then_the_first(compiled: Verdict, kernel: KernelFacts, gpu: Gpu) -> None:
    verdict = compiled.model_copy(
        update={"kernels": (kernel.model_copy(update={"name": "a"}), kernel.model_copy(update={"name": "b"}))}
    )
    assert collect(verdict, None, gpu)["kernel"] == "a"
    times = Profile(
        source="ncu", kernels={"a": {"gpu__time_duration.sum": 10.0}, "b": {"gpu__time_duration.sum": 30.0}}
    )
    assert collect(verdict, times, gpu)["kernel"] == "b"


def test_metrics_give_known_facts() -> None:
    assert {metric.fact for metric in load_metrics().values() if metric.fact} <= FACTS.keys()
    for fact in FACTS.values():
        assert set(fact.of) <= FACTS.keys()


def test_missing_metrics_are_named(profile: Profile) -> None:
    requested = ("launch__grid_size", "launch__occupancy_limit_warps")
    assert missing_metrics(requested, profile) == ("launch__occupancy_limit_warps",)
    assert missing_metrics(requested, None) == requested
    named = profile.model_copy(update={"missing": ("smsp__old_name.pct",)})
    assert missing_metrics(requested, named) == ("launch__occupancy_limit_warps", "smsp__old_name.pct")
