"""The profiler's tables, catalogue and complaints. All texts were constructed in the profiler's form, not recorded.

Recorded ones are read by `test_ncu_recorded`.
"""

import stat
from pathlib import Path

import pytest

from evaluator.oracle import ncu, ncu_table
from evaluator.oracle.profiling import read_profile

DRAM = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
SHARED = "launch__shared_mem_per_block"
GRID = "launch__grid_size"
DURATION = ncu_table.DURATION
NOISY = f"""==PROF== Connected to process 4711
candidate says hello
"a line in quotes", "of the program's own"
==PROF== Profiling "fused_kernel" - 0: 0%....50%....100% - 3 passes
"ID","Process ID","Kernel Name","{DRAM}","{GRID}","{DURATION}","{SHARED}"
"","","","%","","usecond","Kbyte/block"
"0","4711","fused_kernel","90.5","4,194,304","2,310.4","1.02"
"1","4711","fused_kernel","91.5","4,194,304","2,330.4","1.02"
"2","4711","fused_kernel","12.5","64","3.1","1.02"
"3","4711","void at::native::vectorized_elementwise_kernel<4, FillFunctor<float>>(int, T2, T3)","50","16","9.0","0"
"a short row"
"4","4711","other_kernel(float*, int)","n/a","16","1,000","0"
==PROF== Disconnected from process 4711
"""
KERNELS = ("fused_kernel", "other_kernel", "idle_kernel")


def test_the_longest_launch_stands_for_a_kernel() -> None:
    profile = read_profile(NOISY, 0, KERNELS, (DRAM, GRID))
    assert profile.source == "ncu"
    assert profile.kernels["fused_kernel"] == {
        DRAM: 91.5,
        GRID: 4194304.0,
        DURATION: pytest.approx(2_330_400.0),  # in ns
        SHARED: pytest.approx(1020.0),  # in bytes
    }
    assert profile.launches == {"fused_kernel": 3, "other_kernel": 1}
    assert "fused_kernel was launched 3 times; the figures are those of the longest launch" in profile.notes


def test_several_kernels_are_told_apart_and_noise_is_left_out() -> None:
    launches = ncu_table.parse(NOISY)
    assert [launch.kernel for launch in launches].count("fused_kernel") == 3
    profile = read_profile(NOISY, 0, KERNELS, (GRID,))
    assert set(profile.kernels) == {"fused_kernel", "other_kernel"}
    assert profile.kernels["other_kernel"][GRID] == 16.0


def test_every_metric_that_did_not_come_back_is_named_by_kernel() -> None:
    profile = read_profile(NOISY, 0, KERNELS, (DRAM, "no__such.sum"))
    assert profile.missing_of == {"fused_kernel": ("no__such.sum",), "other_kernel": (DRAM, "no__such.sum")}
    assert profile.missing == (DRAM, "no__such.sum")
    assert DRAM not in profile.kernels["other_kernel"]


def test_a_kernel_that_was_never_launched_is_named() -> None:
    assert "no launch of idle_kernel was seen, under this name at least" in read_profile(NOISY, 0, KERNELS, ()).notes


def test_a_name_that_matches_nothing_leaves_no_profile_and_says_so() -> None:
    profile = read_profile(NOISY, 0, ("absent",), (DRAM,))
    assert (profile.source, profile.missing) == ("static", (DRAM,))
    assert profile.reason == "the profiler saw no launch of absent"


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("==PROF== Connected to process 1\n", None, "did not end within 60 s and was stopped; evaluator.limits"),
        ("==PROF== Connected to process 1\n", 137, "exit code 137 and without a table"),
        ("==ERROR== Failed to open file\n", 1, "Failed to open file"),
        ("", 0, "saw no launch of k"),
    ],
)
def test_a_profiler_that_hung_or_was_killed_is_told_from_one_that_saw_nothing(
    output: str, code: int | None, said: str
) -> None:
    profile = read_profile(output, code, ("k",), (DRAM,))
    assert profile.source == "static"
    assert said in profile.reason


def test_a_forward_of_too_many_launches_says_where_the_profile_ends() -> None:
    row = '"0","1","k","1"\n'
    text = f'"ID","Process ID","Kernel Name","{GRID}"\n"","","",""\n' + row * ncu.MOST_LAUNCHES
    assert f"only the first {ncu.MOST_LAUNCHES} launches" in " ".join(read_profile(text, 0, ("k",), ()).notes)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("4,194,304", "", 4194304.0),
        ("1,234.5", "%", 1234.5),
        ("12", "nsecond", 12.0),
        ("1.5", "msecond", 1.5e6),
        ("2", "us", 2000.0),
        ("3", "second", 3e9),
        ("99", "Kbyte/block", 99_000.0),
        ("2", "Gbyte/second", 2e9),
        ("7", "register/thread", 7.0),
        ("1.2e+03", "", 1200.0),
        ("0", "", 0.0),
        ("91,53", "%", None),  # a decimal comma: nothing rather than nine thousand
        ("1.234,5", "%", None),
        ("12,34,567", "", None),
        ("4 194 304", "", None),
        ("n/a", "", None),
        ("", "", None),
        ("nan", "", None),
    ],
)
def test_numbers_and_units(text: str, unit: str, value: float | None) -> None:
    assert ncu_table.number(text, unit) == (value if value is None else pytest.approx(value))


def test_no_table_no_launches() -> None:
    assert ncu_table.parse("==ERROR== nothing was profiled\n") == ()
    assert ncu_table.parse('"ID","Process ID","Kernel Name"\n') == ()
    assert ncu_table.parse('"ID","Process ID"\n"",""\n"0","1"\n') == ()


@pytest.mark.parametrize("said", ['"of a program that outlived the profiler"', '"its ""Kernel Name"""', "Kernel Name"])
def test_a_line_that_only_begins_like_the_table_does_not_replace_it(said: str) -> None:
    table = f'"ID","Kernel Name","{GRID}"\n"","","block"\n"0","k","16"\n'
    (launch,) = ncu_table.parse(f'{table}"ID",{said}x\n"","x"\n"0","x"\n')
    assert (launch.kernel, launch.metrics[GRID]) == ("k", 16.0)


def test_a_permission_problem_is_told_with_its_remedy() -> None:
    text = ncu.refusal("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission\n")
    assert "NVreg_RestrictProfilingToAdminUsers=0" in text
    assert read_profile("==ERROR== ERR_NVGPUCTRPERM\n", 1, ("k",), ()).reason == text


def test_other_errors_are_passed_on() -> None:
    assert ncu.refusal("==ERROR== Failed to open file\n") == "Failed to open file"
    assert ncu.refusal("all well\n") == ""


def test_kernels_are_matched_whole_and_as_they_are_written() -> None:
    words = ncu.command(Path("/x/ncu"), ("a__b",), ("one", "two.three"))
    assert words[words.index("--kernel-name") + 1] == r"regex:^(one|two\.three)$"


def test_a_profiler_that_is_not_wanted_is_not_found(tmp_path: Path) -> None:
    assert ncu.find("none") is None
    assert ncu.find(str(tmp_path / "absent")) is None


AS_CSV = """==PROF== querying
"Metric name","Metric type","Metric unit","Metric description","NVIDIA H100 80GB HBM3"
"dram__throughput","Throughput","%","DRAM throughput, with a comma","1"
"gpu__time_duration","Counter","ns","incremental duration","1"
"lts__t_sector_hit_rate","Ratio","","proportion of sectors that hit","1"
"""
AS_TEXT = """Device NVIDIA H100 80GB HBM3 (GH100)
----------------------------------------------------------------------
Metric Name                              Metric Type    Metric Unit
----------------------------------------------------------------------
dram__throughput.avg.pct_of_peak_sustained_elapsed   DRAM throughput
gpu__time_duration                       Counter        ns
lts__t_sector_hit_rate                   Ratio
"""


@pytest.mark.parametrize("text", [AS_CSV, AS_TEXT])
def test_the_catalogue_is_read_in_either_form(text: str) -> None:
    assert ncu.read_catalogue(text) == {"dram__throughput", "gpu__time_duration", "lts__t_sector_hit_rate"}


def program(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_metrics_that_the_installed_profiler_does_not_know_are_found(tmp_path: Path) -> None:
    (tmp_path / "catalogue").write_text(AS_CSV)
    asked = f'echo "$LC_ALL $@" >> {tmp_path}/asked'
    query = f'[ "$1" = --version ] && echo "Version 2025.1.1.0 (build 1)" && exit; cat {tmp_path}/catalogue'
    profiler = program(tmp_path / "ncu", f"{asked}; {query}")
    wanted = (DRAM, "smsp__old_stalls.pct", GRID)
    assert ncu.version(profiler) == "2025.1.1.0"
    assert ncu.unknown(profiler, wanted) == ("smsp__old_stalls.pct",)
    assert ncu.unknown(profiler, wanted) == ("smsp__old_stalls.pct",)
    assert (tmp_path / "asked").read_text().count("C --query-metrics --csv") == 1  # once for a version


@pytest.mark.parametrize("body", ["exit 1", "echo nothing of this form", "kill -9 $$"])
def test_a_profiler_that_can_not_be_asked_hides_nothing(tmp_path: Path, body: str) -> None:
    assert ncu.unknown(program(tmp_path / "ncu", body), (DRAM,)) == ()
    assert ncu.unknown(tmp_path / "absent", (DRAM,)) == ()
