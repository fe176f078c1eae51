"""The stages that come with the project, and what is said about wrong ones."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluator.errors import UsageError
from evaluator.gpus import Gpu
from evaluator.verdict import Status
from prompts.catalog import load_stage, load_stages, require_known_facts, stage_names
from prompts.conditions import evaluate
from prompts.metrics import CONF, existing, load_metrics
from prompts.stages import Stage


def test_statuses_that_repair_speaks_of_exist(stages: dict[str, Stage]) -> None:
    for status_ in (
        Status.EXTRACT_ERROR,
        Status.RULE_VIOLATION,
        Status.COMPILE_ERROR,
        Status.RUNTIME_ERROR,
        Status.TIMEOUT,
    ):
        assert any(evaluate(rule.when, {"status": status_.value}) for rule in stages["repair"].section("fusion").rules)
    words = [word for rule in stages["repair"].section("fusion").rules for word in rule.when.split('"')[1::2]]
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
        ({"rule": {"together": [{"num_warp": 8}]}}, "sets the unknown parameter 'num_warp'", "num_warps"),
        ({"rule": {"halve": ["num_warp"]}}, "halves the unknown parameter 'num_warp'", "num_warps"),
        ({"rule": {"leave": ["num_warp"]}}, "leaves the unknown parameter 'num_warp'", "num_warps"),
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
        ({"template": "repare"}, "template"),
        ({"network": "single", "single": None}, "network shares the section of single"),
        ({"network": "networks"}, "network"),
        ({"single": "network"}, "single shares the section of network"),
    ],
)
def test_a_wrong_stage_is_named_with_its_file(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        load_stages(write(tmp_path, **changes))
    assert "finetune.yaml" in caught.value.problem


def test_a_category_without_a_section_is_answered_with_those_that_have_one(tmp_path: Path) -> None:
    (stage,) = load_stages(write(tmp_path, single=None, network=None)).values()

    with pytest.raises(UsageError, match="nothing to say about a network task") as caught:
        stage.section("network")
    assert "knows fusion" in caught.value.remedy


def test_a_stage_for_no_category_at_all(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "odd.yaml").write_text("{name: odd, title: Odd}", encoding="utf-8")

    with pytest.raises(UsageError, match="none of single, fusion, network"):
        load_stages(tmp_path)


def test_metrics_that_an_architecture_lacks_are_not_asked_for(tmp_path: Path, gpu: Gpu) -> None:
    path = tmp_path / "metrics.yaml"
    rows = [
        {"name": "old", "unit": "%", "meaning": "m", "until": "8.0"},
        {"name": "always", "unit": "%", "meaning": "m"},
        {"name": "new", "unit": "%", "meaning": "m", "since": "9.0"},
    ]
    path.write_text(yaml.safe_dump(rows), encoding="utf-8")

    asked = {
        capability: existing(["old", "always", "new"], gpu.model_copy(update={"compute_capability": capability}), path)
        for capability in ("8.0", "8.9", "9.0", "10.0")
    }

    assert asked == {"8.0": ("old", "always"), "8.9": ("always",), "9.0": ("always", "new"), "10.0": ("always", "new")}


def test_unreadable_stages(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no stage"):
        load_stages(tmp_path)
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "grid.yaml").write_text("name: [", encoding="utf-8")
    with pytest.raises(UsageError, match=r"grid\.yaml can't be read"):
        load_stages(tmp_path)


def test_a_metric_gives_a_fact_that_rules_know() -> None:
    metric = next(iter(load_metrics().values())).model_copy(update={"fact": "sm_throughputs"})

    with pytest.raises(UsageError, match="unknown fact 'sm_throughputs'") as caught:
        require_known_facts({metric.name: metric})
    assert "sm_throughput" in caught.value.remedy


def test_wrong_metrics_table(tmp_path: Path) -> None:
    path = tmp_path / "metrics.yaml"
    path.write_text(
        "- {name: a, unit: '%', fact: x, meaning: m}\n- {name: b, unit: '%', fact: x, meaning: m}\n", encoding="utf-8"
    )
    with pytest.raises(UsageError, match="twice"):
        load_metrics(path)
    with pytest.raises(UsageError, match="not a table"):
        load_metrics(tmp_path / "absent.yaml")
