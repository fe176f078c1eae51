"""The stages that come with the project, and what is said about wrong ones."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluator.errors import UsageError
from evaluator.verdict import Status
from prompts.catalog import load_stage, load_stages, stage_names
from prompts.conditions import evaluate
from prompts.metrics import CONF, load_metrics
from prompts.stages import Stage

LOW = {"registers": 48, "spill_bytes": 0, "compute_bound": True, "register_limited": False, "distinct_loads": 2}


def status(value: str) -> dict[str, Any]:
    return {"status": value}


CASES: dict[tuple[str, str, str], list[tuple[dict[str, Any], bool | None]]] = {
    ("grid", "both", "underused"): [({"sm_throughput": 59.9}, True), ({"sm_throughput": 60}, False), ({}, None)],
    ("grid", "both", "busy"): [({"sm_throughput": 59.9}, False), ({"sm_throughput": 60}, True), ({}, None)],
    ("grid", "single", "partial_wave"): [({"waves": 0.9}, True), ({"waves": 1.0}, False), ({}, None)],
    ("tiling", "single", "low_occupancy"): [
        ({"warps_active": 59, "register_limited": True}, True),
        ({"warps_active": 59, "register_limited": False}, False),
        ({"warps_active": 60, "register_limited": True}, False),
        ({"warps_active": 59}, None),
        ({"register_limited": False}, False),
    ],
    ("tiling", "fusion", "high_registers"): [({"registers": 129}, True), ({"registers": 128}, False), ({}, None)],
    ("tiling", "fusion", "pressure"): [
        ({"registers": 129}, True),
        ({"register_limited": True}, True),
        ({"registers": 128, "register_limited": False}, False),
        ({"registers": 128}, None),
    ],
    ("memory", "single", "stalled"): [({"memory_stalls": 20.1}, True), ({"memory_stalls": 20}, False), ({}, None)],
    ("memory", "single", "not_stalled"): [({"memory_stalls": 20.1}, False), ({"memory_stalls": 20}, True), ({}, None)],
    ("finetune", "fusion", "low_pressure_compute"): [
        (LOW, True),
        (LOW | {"registers": 96}, False),
        (LOW | {"spill_bytes": 8}, False),
        (LOW | {"compute_bound": False}, False),
        (LOW | {"compute_bound": None}, None),
    ],
    ("finetune", "fusion", "low_pressure"): [
        ({"registers": 95, "spill_bytes": 0}, True),
        ({"registers": 96, "spill_bytes": 0}, False),
        ({"registers": 95, "spill_bytes": 4}, False),
        ({"registers": 95}, None),
    ],
    ("finetune", "fusion", "high_pressure"): [
        ({"registers": 129}, True),
        ({"registers": 40, "register_limited": True}, True),
        ({"registers": 128, "register_limited": False}, False),
        ({"registers": 40}, None),
    ],
    ("finetune", "fusion", "many_inputs"): [({"distinct_loads": 3}, True), ({"distinct_loads": 2}, False), ({}, None)],
    ("finetune", "both", "ceiling"): [({"dram_throughput": 90}, True), ({"dram_throughput": 89.9}, False), ({}, None)],
    ("repair", "both", "no_code"): [(status("extract_error"), True), (status("timeout"), False), ({}, None)],
    ("repair", "both", "rule"): [(status("rule_violation"), True), (status("timeout"), False), ({}, None)],
    ("repair", "both", "compile"): [(status("compile_error"), True), (status("timeout"), False), ({}, None)],
    ("repair", "both", "runtime"): [
        (status("runtime_error"), True),
        (status("crashed"), True),
        (status("timeout"), False),
        ({}, None),
    ],
    ("repair", "both", "time"): [(status("timeout"), True), (status("crashed"), False), ({}, None)],
    ("repair", "both", "numerics"): [(status("wrong_output"), True), (status("crashed"), False), ({}, None)],
    ("repair", "both", "integrity"): [(status("integrity_violation"), True), (status("crashed"), False), ({}, None)],
}
SKIPS: dict[str, list[tuple[dict[str, Any], bool | None]]] = {
    "grid": [({"sm_throughput": 75}, True), ({"sm_throughput": 74.9}, False), ({}, None)],
    "tiling": [({"warps_active": 60}, True), ({"warps_active": 59.9}, False), ({}, None)],
}


def conditions_of(stage: Stage) -> dict[tuple[str, str, str], str]:
    sections = {"single": stage.single, "fusion": stage.fusion}
    return {
        (stage.name, where, rule.name): rule.when
        for where, section in sections.items()
        for rule in section.rules
        if rule.when
    }


def test_every_condition_decides_as_it_should(stages: dict[str, Stage]) -> None:
    said = {key: when for stage in stages.values() for key, when in conditions_of(stage).items()}
    for key, when in said.items():
        cases = CASES.get(key) or CASES.get((key[0], "both", key[2]))
        assert cases, f"no case for {key}"
        for facts, expected in cases:
            assert evaluate(when, facts) is expected, (key, when, facts)
    sections = {key if key[1] != "both" else (key[0], "fusion", key[2]) for key in CASES}
    assert sections <= said.keys()


def test_every_skip_condition_decides_as_it_should(stages: dict[str, Stage]) -> None:
    assert {name for name, stage in stages.items() if stage.skip_when} == SKIPS.keys()
    for name, cases in SKIPS.items():
        for facts, expected in cases:
            assert evaluate(stages[name].skip_when, facts) is expected, (name, facts)


def test_statuses_that_repair_speaks_of_exist(stages: dict[str, Stage]) -> None:
    for status_ in (
        Status.EXTRACT_ERROR,
        Status.RULE_VIOLATION,
        Status.COMPILE_ERROR,
        Status.RUNTIME_ERROR,
        Status.TIMEOUT,
    ):
        assert any(evaluate(rule.when, {"status": status_.value}) for rule in stages["repair"].fusion.rules)
    words = [word for rule in stages["repair"].fusion.rules for word in rule.when.split('"')[1::2]]
    assert set(words) <= {status_.value for status_ in Status}


def test_order_and_parameters(stages: dict[str, Stage]) -> None:
    assert stage_names() == ("draft", "grid", "tiling", "memory", "finetune", "repair")
    finetune = stages["finetune"]
    assert finetune.section("single").parameters == {"num_warps": (2, 4, 8, 16), "num_stages": (2, 3, 4)}
    assert finetune.section("network").parameters == {"num_warps": (4, 8), "num_stages": (2, 3)}
    assert finetune.autotune.baseline == {"num_warps": 4, "num_stages": 2}
    assert (finetune.autotune.max_configs, finetune.revert_below_percent) == (3, 2.0)
    assert load_metrics().keys() >= set(finetune.metrics)


def test_an_unknown_stage_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="finetune") as caught:
        load_stage("fintune")
    assert "fintune" in caught.value.problem


def write(folder: Path, **changes: Any) -> Path:
    """A copy of the finetune stage under `folder` with its fusion section or top level changed."""
    stage = yaml.safe_load((CONF / "stage" / "finetune.yaml").read_text(encoding="utf-8"))
    stage |= {key: value for key, value in changes.items() if key != "rule"}
    stage["fusion"]["rules"] = [{"name": "odd", "title": "Odd", "advice": []} | changes.get("rule", {})]
    (folder / "stage").mkdir()
    (folder / "stage" / "finetune.yaml").write_text(yaml.safe_dump(stage), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("changes", "problem", "remedy"),
    [
        ({"rule": {"when": "registres < 96"}}, "registres", "registers"),
        ({"rule": {"when": "registers <"}}, "does not parse", "comparisons"),
        ({"rule": {"when": "registers.real < 3"}}, "not allowed", "comparisons"),
        ({"rule": {"when": 'registers < "x"'}}, "compares a number with a word", "comparisons"),
        ({"rule": {"prefer": {"num_warp": 4}}}, "num_warp", "num_warps"),
        ({"rule": {"prefer": {"num_warps": 5}}}, "num_warps = 5", "4, 8"),
    ],
)
def test_a_wrong_rule_is_named_with_its_file(
    tmp_path: Path, changes: dict[str, Any], problem: str, remedy: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_stages(write(tmp_path, **changes))
    assert "finetune.yaml" in caught.value.problem
    assert "fusion rule 'odd'" in caught.value.problem
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"metrics": ["launch__grid_sizes"]}, "launch__grid_sizes"),
        ({"skip_when": "sm_throughput >"}, "skip_when"),
        ({"name": "other"}, "'other'"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_stage_is_named_with_its_file(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        load_stages(write(tmp_path, **changes))
    assert "finetune.yaml" in caught.value.problem


def test_unreadable_stages(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no stage"):
        load_stages(tmp_path)
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "grid.yaml").write_text("name: [", encoding="utf-8")
    with pytest.raises(UsageError, match=r"grid\.yaml can't be read"):
        load_stages(tmp_path)


def test_wrong_metrics_table(tmp_path: Path) -> None:
    path = tmp_path / "metrics.yaml"
    path.write_text(
        "- {name: a, unit: '%', fact: x, meaning: m}\n- {name: b, unit: '%', fact: x, meaning: m}\n", encoding="utf-8"
    )
    with pytest.raises(UsageError, match="twice"):
        load_metrics(path)
    with pytest.raises(UsageError, match="not a table"):
        load_metrics(tmp_path / "absent.yaml")
