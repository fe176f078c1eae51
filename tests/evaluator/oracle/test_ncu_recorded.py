"""The profiler's reader on what Nsight Compute 2025.3.1 printed on an H100 80GB HBM3 (driver 580.159.04).

`record_ncu` recorded the files in `ncu_recorded`, with torch 2.11.0 and Triton 3.6.0; they are as they were printed,
nothing in them was replaced. All three runs ended with exit code 0. Expected values were copied from the files by hand.
"""

import csv
from pathlib import Path

import pytest

from evaluator.oracle import ncu, ncu_table
from evaluator.oracle.ncu_table import DURATION
from evaluator.oracle.profiling import read_profile
from evaluator.verdict import Profile

FOLDER = Path(__file__).parent / "ncu_recorded"
RECORDED = ("default", "noisy", "absent")
START = "norm_gelu_scale_kernel"  # the default task's
SMALL = "scaled_relu_kernel"
IDLE = "idle_kernel"  # in the noisy candidate's source, and never launched
UNKNOWN = "smsp__no_such_metric.sum"  # asked for in the absent case
NOISE = '"ID","of the program"'

SM = "sm__throughput.avg.pct_of_peak_sustained_elapsed"
DRAM = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
WARPS = "sm__warps_active.avg.pct_of_peak_sustained_active"
L2_HITS = "lts__t_sector_hit_rate.pct"
LATENCY = "smsp__average_warp_latency_per_inst_issued.ratio"
STALLED = "smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio"
GRID = "launch__grid_size"
WAVES = "launch__waves_per_multiprocessor"
REGISTERS = "launch__registers_per_thread"
SHARED = "launch__shared_mem_per_block"
LIMITS = {name: f"launch__occupancy_limit_{name}" for name in ("blocks", "registers", "shared_mem", "warps")}
ASKED = (SM, DRAM, WARPS, L2_HITS, GRID, WAVES, REGISTERS, SHARED, *LIMITS.values(), DURATION, STALLED, LATENCY)


def recorded(case: str) -> str:
    return (FOLDER / f"{case}.txt").read_text(encoding="utf-8")


def columns(case: str) -> dict[str, tuple[str, ...]]:
    """By heading, a column's unit and cells as they stand in the file: its last lines, from the real heading on."""
    lines = recorded(case).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith('"ID","Process ID"'))
    heading, *rows = csv.reader(lines[start:])
    return dict(zip(heading, zip(*rows, strict=True), strict=True))


def profile_of(case: str, kernels: tuple[str, ...], metrics: tuple[str, ...] = ASKED) -> Profile:
    return read_profile(recorded(case), 0, kernels, metrics)


def test_the_default_tasks_kernel_has_every_metric_that_was_asked_for() -> None:
    profile = profile_of("default", (START,))
    assert (profile.source, profile.reason, profile.missing, profile.missing_of) == ("ncu", "", (), {})
    assert profile.launches == {START: 1}
    assert profile.notes == ()
    assert {name: profile.kernels[START][name] for name in ASKED} == {
        SM: 38.18,
        DRAM: 25.21,
        WARPS: 35.69,
        L2_HITS: 49.85,
        GRID: 4194304.0,
        WAVES: 992.97,
        REGISTERS: 20.0,
        SHARED: 1032.0,
        LIMITS["blocks"]: 32.0,
        LIMITS["registers"]: 42.0,
        LIMITS["shared_mem"]: 56.0,
        LIMITS["warps"]: 32.0,
        DURATION: 2522368.0,
        STALLED: 6.6,
        LATENCY: 14.47,
    }


def test_a_profile_holds_what_was_asked_for_and_the_launchs_properties_only() -> None:
    launch = ncu_table.parse(recorded("default"))[0]
    unasked = {
        "sm__throughput.max.pct_of_peak_sustained_elapsed": 39.40,  # ncu adds the other roll-ups of what was asked for
        "device__attribute_multiprocessor_count": 132.0,
        "device__attribute_total_memory": 85017493504.0,
        "profiler__replayer_passes": 10.0,
    }
    assert {name: launch.metrics[name] for name in unasked} == unasked
    kept = profile_of("default", (START,)).kernels[START]
    assert not kept.keys() & unasked.keys()
    assert (kept["launch__sm_count"], kept["launch__thread_count"]) == (132.0, 268435456.0)


@pytest.mark.parametrize(
    ("case", "name", "unit", "cells", "values"),
    [
        ("default", DURATION, "ns", ("2522368",), [2522368.0]),
        ("default", SM, "%", ("38.18",), [38.18]),
        ("default", GRID, "", ("4194304",), [4194304.0]),  # without separators: the C locale has none
        ("default", REGISTERS, "register/thread", ("20",), [20.0]),
        ("default", SHARED, "byte/block", ("1032",), [1032.0]),
        ("default", "launch__shared_mem_config_size", "byte", ("65536",), [65536.0]),
        ("default", STALLED, "inst", ("6.60",), [6.6]),
        ("default", "profiler__replayer_bytes_mem_accessible.sum", "byte", ("46076876500",), [46076876500.0]),
        ("noisy", DURATION, "ns", ("3040", "6880"), [3040.0, 6880.0]),
        ("noisy", DRAM, "%", ("0.40", "34.96"), [0.4, 34.96]),
        ("noisy", "sm__warps_active.max.pct_of_peak_sustained_active", "%", ("105.70", "86.61"), [105.7, 86.61]),
        ("noisy", WAVES, "", ("0.00", "0.95"), [0.0, 0.95]),
        ("noisy", LATENCY, "cycle", ("14.68", "46.36"), [14.68, 46.36]),
        ("noisy", LIMITS["shared_mem"], "block", ("33", "33"), [33.0, 33.0]),
        ("absent", DURATION, "ns", ("7328",), [7328.0]),
        ("absent", SHARED, "byte/block", ("3072",), [3072.0]),
    ],
)
def test_units_and_values_are_read_as_they_stand_in_the_file(
    case: str, name: str, unit: str, cells: tuple[str, ...], values: list[float]
) -> None:
    assert columns(case)[name] == (unit, *cells)
    assert [launch.metrics[name] for launch in ncu_table.parse(recorded(case))] == values


def test_units_are_base_units_and_none_is_taken_for_a_multiple() -> None:
    units = {column[0] for case in RECORDED for column in columns(case).values()}
    countables = {"block", "cluster", "cycle", "inst", "pass", "register/thread", "SM", "thread", "warp"}
    assert units == {"", "%", "ns", "byte", "byte/block", *countables}
    assert {ncu_table.number("7", unit) for unit in units} == {7.0}


@pytest.mark.parametrize("case", RECORDED)
def test_cells_of_text_are_no_metrics(case: str) -> None:
    in_table = {name for name in columns(case) if "__" in name}
    assert in_table - ncu_table.parse(recorded(case))[0].metrics.keys() == {
        "device__attribute_confidential_computing_mode",  # No-CC
        "device__attribute_display_name",
        "launch__cluster_scheduling_policy",  # PolicySpread
        "launch__func_cache_config",  # CachePreferNone
        "launch__kernel_name",  # empty
        "launch__tpc_enabled",  # all
    }


def test_headings_that_the_candidate_prints_are_no_table() -> None:
    text = recorded("noisy")
    assert text.splitlines().count(NOISE) == 4
    launches = ncu_table.parse(text)
    assert [(launch.kernel, launch.metrics[GRID]) for launch in launches] == [(SMALL, 8.0), (SMALL, 2000.0)]


def test_what_the_candidate_prints_among_the_rows_is_no_launch() -> None:
    *before, last = recorded("noisy").splitlines()
    text = "\n".join([*before, '"of the","program"', last])  # between the recorded launches
    assert ncu_table.parse(text) == ncu_table.parse(recorded("noisy"))


def test_the_longer_of_two_launches_stands_for_the_kernel_and_the_idle_one_is_named() -> None:
    profile = profile_of("noisy", (SMALL, IDLE))
    assert profile.source == "ncu"
    assert profile.launches == {SMALL: 2}
    assert profile.kernels.keys() == {SMALL}
    figures = {name: profile.kernels[SMALL][name] for name in (DURATION, GRID, DRAM, L2_HITS)}
    assert figures == {DURATION: 6880.0, GRID: 2000.0, DRAM: 34.96, L2_HITS: 53.26}
    assert profile.notes == (
        f"no launch of {IDLE} was seen, under this name at least",
        f"{SMALL} was launched 2 times; the figures are those of the longest launch",
    )


def test_the_longer_launch_stands_for_the_kernel_in_either_order() -> None:
    *before, short, long = recorded("noisy").splitlines()
    profile = read_profile("\n".join([*before, long, short]), 0, (SMALL,), (GRID,))
    assert (profile.kernels[SMALL][DURATION], profile.kernels[SMALL][GRID]) == (6880.0, 2000.0)


def test_kernels_are_told_apart_by_their_whole_names() -> None:
    text = recorded("noisy")
    row = text.rindex(f'"{SMALL}"')
    text = text[:row] + text[row:].replace(SMALL, f"{SMALL}_tail", 1)  # the second launch, by a longer name
    profile = read_profile(text, 0, (SMALL, f"{SMALL}_tail", "scaled_relu", START), (GRID,))
    assert profile.launches == {SMALL: 1, f"{SMALL}_tail": 1}
    assert {name: values[GRID] for name, values in profile.kernels.items()} == {SMALL: 8.0, f"{SMALL}_tail": 2000.0}
    assert [note.split()[3] for note in profile.notes] == ["scaled_relu", START]


@pytest.mark.parametrize(("case", "kernel"), [("default", SMALL), ("noisy", "scaled_relu"), ("absent", IDLE)])
def test_no_part_of_a_name_and_no_other_kernel_has_a_profile(case: str, kernel: str) -> None:
    profile = profile_of(case, (kernel,), (DURATION,))
    assert (profile.source, profile.missing) == ("static", (DURATION,))
    assert profile.reason == f"the profiler saw no launch of {kernel}"


def test_a_metric_that_the_profiler_left_out_without_a_word_is_missing() -> None:
    assert UNKNOWN not in recorded("absent")
    profile = profile_of("absent", (SMALL,), (DURATION, UNKNOWN))
    assert profile.source == "ncu"
    assert profile.missing == (UNKNOWN,)
    assert profile.missing_of == {SMALL: (UNKNOWN,)}
    assert UNKNOWN not in profile.kernels[SMALL]
    assert (profile.kernels[SMALL][DURATION], profile.launches) == (7328.0, {SMALL: 1})


@pytest.mark.parametrize("case", RECORDED)
def test_a_warning_about_clocks_is_no_refusal(case: str) -> None:
    text = recorded(case)
    assert text.startswith("==WARNING== Note: Running with unmodified GPU clocks.")
    assert ncu.refusal(text) == ""
