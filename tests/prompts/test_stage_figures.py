"""The figures that the stages are built from: what a stage allows, from which value on, and what it says."""

from typing import Any

import pytest

from prompts.catalog import load_stages
from prompts.stages import Rule, Section

STAGES = load_stages()
SEED = {
    "grid": {"sm__throughput", "launch__grid_size"},
    "tiling": {"sm__warps_active", "launch__registers_per_thread", "launch__occupancy_limit"},
    "memory": {"dram__throughput", "lts__t_sector_hit_rate", "stalled_long_scoreboard"},
    "finetune": {
        "sm__throughput",
        "launch__grid_size",
        "sm__warps_active",
        "dram__throughput",
        "lts__t_sector_hit_rate",
        "launch__registers_per_thread",
        "launch__occupancy_limit_blocks",
        "launch__occupancy_limit_registers",
        "launch__occupancy_limit_shared_mem",
        "launch__occupancy_limit_warps",
    },
    "draft": set(),
    "repair": set(),
}


def rules(stage: str, category: Any) -> dict[str, Rule]:
    return {rule.name: rule for rule in STAGES[stage].section(category).rules}


def words(section: Section) -> str:
    return " ".join([section.focus, *(line for rule in section.rules for line in rule.advice)]).lower()


@pytest.mark.parametrize("name", SEED)
def test_metrics(name: str) -> None:
    asked = STAGES[name].metrics

    assert all(any(part in metric for metric in asked) for part in SEED[name])
    assert bool(asked) == bool(SEED[name])


@pytest.mark.parametrize(
    ("stage", "category", "parameters"),
    [
        ("grid", "single", {"grid_axes": (1, 2, 3)}),
        ("grid", "fusion", {"grid_axes": (1, 2)}),
        ("tiling", "single", {"BLOCK_M": (32, 64, 128, 256), "BLOCK_N": (32, 64, 128, 256), "BLOCK_K": (16, 32, 64)}),
        ("tiling", "fusion", {"BLOCK_SIZE": (256, 512), "BLOCK_M": (32, 64), "BLOCK_N": (32, 64), "BLOCK_K": (32,)}),
        ("finetune", "single", {"num_warps": (2, 4, 8, 16), "num_stages": (2, 3, 4)}),
        ("finetune", "fusion", {"num_warps": (4, 8), "num_stages": (2, 3)}),
    ],
)
def test_parameters(stage: str, category: Any, parameters: dict[str, tuple[int, ...]]) -> None:
    allowed = STAGES[stage].section(category).parameters

    assert {name: allowed.get(name) for name in parameters} == parameters
    assert STAGES[stage].section("network") == STAGES[stage].section("fusion")


@pytest.mark.parametrize(
    ("stage", "category", "rule", "when", "prefer"),
    [
        ("grid", "single", "underused", "sm_throughput < 60", {}),
        ("grid", "fusion", "underused", "sm_throughput < 60", {}),
        ("tiling", "fusion", "high_registers", "registers > 128", {}),
        ("memory", "single", "stalled", "memory_stalls > 20", {"num_stages": 3}),
        ("finetune", "fusion", "low_pressure", "registers < 96 and spill_bytes == 0", {"num_stages": 3}),
        (
            "finetune",
            "fusion",
            "low_pressure_compute",
            "registers < 96 and spill_bytes == 0 and compute_bound",
            {"num_warps": 8},
        ),
        (
            "finetune",
            "fusion",
            "high_pressure",
            "registers > 128 or register_limited",
            {"num_warps": 4, "num_stages": 2},
        ),
        ("finetune", "fusion", "many_inputs", "distinct_loads >= 3", {"num_warps": 4, "num_stages": 2}),
    ],
)
def test_thresholds(stage: str, category: Any, rule: str, when: str, prefer: dict[str, int]) -> None:
    found = rules(stage, category)[rule]

    assert (found.when, found.prefer) == (when, prefer)


def test_blocks_are_halved_under_register_pressure() -> None:
    assert set(rules("tiling", "fusion")["high_registers"].halve) >= {"BLOCK_SIZE", "BLOCK_M", "BLOCK_N"}


def test_when_a_stage_is_skipped() -> None:
    assert STAGES["grid"].skip_when.startswith("sm_throughput >= 75")
    assert STAGES["tiling"].skip_when == "warps_active >= 60 and not multiplies"


@pytest.mark.parametrize(
    ("stage", "category", "said"),
    [
        ("grid", "single", ["batch, head or group", "before making blocks smaller", "1 to 3 axes", "triton.cdiv"]),
        ("grid", "single", ["the same number whatever the input"]),
        ("grid", "fusion", ["offsets and masks once", "expanding dimensions", "1d grid", "2d grid", "split off"]),
        ("tiling", "single", ["power of two", "m and n of at least 16", "k of at least 16, or 32 for 8-bit types"]),
        ("tiling", "single", ["32 to 256 for m and n", "16 to 64 for k"]),
        ("tiling", "fusion", ["halve the block sizes", "256 or 512", "32 or 64", "block_k of 32"]),
        ("tiling", "fusion", ["keep the results of exp, log, division and sqrt", "recompute cheap values"]),
        ("memory", "single", ["larger block_k", "more registers", "more pipeline stages"]),
        ("memory", "fusion", ["store each output tensor once", "never store a value and load it again"]),
        ("draft", "single", ["exactly the function", "num_warps = 4 and num_stages = 2"]),
        ("repair", "single", ["smallest change"]),
    ],
)
def test_advice(stage: str, category: Any, said: list[str]) -> None:
    text = words(STAGES[stage].section(category))

    assert [phrase for phrase in said if phrase not in text] == []


@pytest.mark.parametrize("name", STAGES)
def test_autotuning_and_reverting(name: str) -> None:
    stage = STAGES[name]

    assert (stage.autotune.max_configs, stage.autotune.baseline) == (3, {"num_warps": 4, "num_stages": 2})
    assert stage.revert_below_percent == 2.0
