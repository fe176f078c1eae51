from pathlib import Path

from evaluator.oracle import ncu

NOISY = """==PROF== Connected to process 4711
candidate says hello
"ID","Process ID","Kernel Name","dram__throughput.avg.pct_of_peak_sustained_elapsed","launch__grid_size"
"","","","%",""
"0","4711","fused_kernel","90.5","4,194,304"
"1","4711","fused_kernel","91.5","4,194,304"
"2","4711","other, with a comma","n/a","16"
==PROF== Disconnected from process 4711
"""


def test_rows_are_found_among_noise_and_launches_averaged() -> None:
    found = ncu.parse(NOISY)
    assert found["fused_kernel"] == {
        "dram__throughput.avg.pct_of_peak_sustained_elapsed": 91.0,
        "launch__grid_size": 4194304.0,
    }


def test_a_value_that_is_no_number_is_absent_not_zero() -> None:
    assert ncu.parse(NOISY)["other, with a comma"] == {"launch__grid_size": 16.0}


def test_no_table_no_metrics() -> None:
    assert ncu.parse("==ERROR== nothing was profiled\n") == {}


def test_a_permission_problem_is_told_with_its_remedy() -> None:
    text = ncu.refusal("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission\n")
    assert "NVreg_RestrictProfilingToAdminUsers=0" in text


def test_other_errors_are_passed_on() -> None:
    assert ncu.refusal("==ERROR== Failed to open file\n") == "Failed to open file"
    assert ncu.refusal("all well\n") == ""


def test_kernels_are_matched_whole() -> None:
    words = ncu.command(Path("/x/ncu"), ("a__b",), ("one", "two"))
    assert words[words.index("--kernel-name") + 1] == "regex:^(one|two)$"


def test_a_profiler_that_is_not_wanted_is_not_found(tmp_path: Path) -> None:
    assert ncu.find("none") is None
    assert ncu.find(str(tmp_path / "absent")) is None
