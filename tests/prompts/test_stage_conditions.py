"""Every condition in conf/stage: what it says at its thresholds, and that no fact that is unknown ever decides it."""

import ast
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from prompts.catalog import load_stages
from prompts.conditions import evaluate, evidence, names
from prompts.facts import KINDS
from prompts.stages import Stage

Facts = dict[str, Any]

LOW = {"registers": 48, "spill_bytes": 0, "compute_bound": True, "register_limited": False, "distinct_loads": 2}


def status(value: str) -> Facts:
    return {"status": value}


CASES: dict[tuple[str, str, str], list[tuple[Facts, bool | None]]] = {
    ("grid", "both", "underused"): [({"sm_throughput": 59.9}, True), ({"sm_throughput": 60}, False), ({}, None)],
    ("grid", "both", "busy"): [
        ({"sm_throughput": 59.9}, False),
        ({"sm_throughput": 60, "elements_per_thread": 4}, True),
        ({"sm_throughput": 60, "elements_per_thread": 3.9}, False),
        ({"sm_throughput": 60}, None),
    ],
    ("grid", "both", "narrow"): [({"elements_per_thread": 3.9}, True), ({"elements_per_thread": 4}, False), ({}, None)],
    ("grid", "both", "wide"): [({"elements_per_thread": 16}, True), ({"elements_per_thread": 15.9}, False), ({}, None)],
    ("grid", "both", "neighbours"): [({"l2_hit_rate": 79.9}, True), ({"l2_hit_rate": 80}, False), ({}, None)],
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
    ("tiling", "both", "large_tiles"): [
        ({"multiplies": True, "spill_bytes": 0}, True),
        ({"multiplies": True, "spill_bytes": 4}, False),
        ({"multiplies": False}, False),
        ({"multiplies": True}, None),
    ],
    ("tiling", "both", "descriptors"): [
        ({"multiplies": True, "compute_capability": 9.0}, True),
        ({"multiplies": True, "compute_capability": 8.9}, False),
        ({"multiplies": False, "compute_capability": 9.0}, False),
        ({"compute_capability": 9.0}, None),
    ],
    ("tiling", "both", "pointers"): [
        ({"multiplies": True, "compute_capability": 8.9}, True),
        ({"multiplies": True, "compute_capability": 9.0}, False),
        ({"multiplies": False, "compute_capability": 8.9}, False),
        ({"compute_capability": 8.9}, None),
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
    ("finetune", "both", "ceiling"): [
        ({"dram_throughput": 90}, True),
        ({"dram_throughput": 89.9, "roofline_percent": 94.9}, False),
        ({"roofline_percent": 95, "bound": "memory"}, True),  # where counters are not permitted
        ({"roofline_percent": 95, "bound": "compute", "dram_throughput": 50}, False),
        ({"dram_throughput": 89.9}, None),
        ({}, None),
    ],
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
SKIPS: dict[str, list[tuple[Facts, bool | None]]] = {
    "grid": [
        ({"sm_throughput": 75, "elements_per_thread": 4}, True),
        ({"sm_throughput": 75, "elements_per_thread": 3.9}, False),
        ({"sm_throughput": 74.9}, False),
        ({"sm_throughput": 75}, None),
    ],
    "tiling": [
        ({"warps_active": 60, "multiplies": False}, True),
        ({"warps_active": 60, "multiplies": True}, False),
        ({"warps_active": 59.9}, False),
        ({"warps_active": 60}, None),
    ],
}
STAGES = load_stages()


def conditions() -> Iterator[tuple[str, str, str, str]]:
    """Stage, category, rule and condition; the condition for skipping a stage counts as one of its rules."""
    for stage in STAGES.values():
        for category, section in stage.sections.items():
            for rule in section.rules:
                if rule.when:
                    yield stage.name, category, rule.name, rule.when
        if stage.skip_when:
            yield stage.name, "", "skip_when", stage.skip_when


def cases(stage: str, category: str, rule: str) -> list[tuple[Facts, bool | None]]:
    if rule == "skip_when":
        return SKIPS.get(stage, [])
    return CASES.get((stage, category, rule)) or CASES.get((stage, "both", rule)) or []


ALL = list(conditions())
each = pytest.mark.parametrize(
    ("stage", "category", "rule", "when"), ALL, ids=["-".join(filter(None, words[:3])) for words in ALL]
)


@each
def test_it_decides_as_it_should(stage: str, category: str, rule: str, when: str) -> None:
    known = cases(stage, category, rule)

    assert {expected for _, expected in known} == {True, False, None}, "a case is needed for each of the three"
    for facts, expected in known:
        assert evaluate(when, facts) is expected, facts


@each
def test_it_agrees_with_python_where_all_is_known(stage: str, category: str, rule: str, when: str) -> None:
    outcomes = set()
    for facts in assignments(when):
        outcomes.add(python_says(when, facts))
        assert evaluate(when, facts) is python_says(when, facts), facts
    assert outcomes == {True, False}


@each
def test_what_is_unknown_decides_nothing(stage: str, category: str, rule: str, when: str) -> None:
    for facts in assignments(when, unknown=True):
        open_ = [name for name, value in facts.items() if value is None]
        known = {name: value for name, value in facts.items() if value is not None}
        completions = {python_says(when, full) for full in assignments(when) if known.items() <= full.items()}
        assert evaluate(when, facts) in ({None} if len(completions) > 1 else {None, *completions}), facts
        assert evaluate(when, facts) is not None or any(f"{name} unknown" in evidence(when, facts) for name in open_)


def test_no_case_is_left_over() -> None:
    stages = {(stage, rule) for stage, _, rule, _ in ALL}

    assert {(stage, rule) for stage, _, rule in CASES} | {(stage, "skip_when") for stage in SKIPS} == stages


def test_a_skipped_stage_says_which_fact_decided() -> None:
    facts = {"sm_throughput": 80.0, "elements_per_thread": 64.0}

    assert evidence(STAGES["grid"].skip_when, facts) == "sm_throughput 80 >= 75, elements_per_thread 64 >= 4"


def assignments(when: str, unknown: bool = False) -> Iterator[Facts]:
    """Facts on both sides of every threshold that the condition compares them with, in all combinations."""
    values: dict[str, list[Any]] = {
        name: [True, False] if KINDS[name] == "flag" else [] for name in sorted(names(when))
    }
    for node in ast.walk(ast.parse(when, mode="eval")):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name):
            (limit,) = (part.value for part in node.comparators if isinstance(part, ast.Constant))
            word = isinstance(limit, str)
            values[node.left.id] += [limit, "another"] if word else [limit - 0.5, limit, limit + 0.5]
    for choice in itertools.product(*([*found, None] if unknown else found for found in values.values())):
        yield dict(zip(values, choice, strict=True))


def python_says(when: str, facts: Facts) -> bool:
    return bool(eval(when, {"__builtins__": {}}, facts))


def test_every_category_has_its_section(stages: dict[str, Stage]) -> None:
    for stage in stages.values():
        assert stage.network == ("single" if stage.name == "repair" else "fusion")
        assert stage.section("network") == stage.section("fusion")
