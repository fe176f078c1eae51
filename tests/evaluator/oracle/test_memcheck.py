"""memcheck's reports. The texts were constructed in its form, not recorded."""

from pathlib import Path

import pytest

from evaluator.oracle import memcheck

REPORTS = """========= COMPUTE-SANITIZER
candidate says hello
========= Invalid __global__ read of size 4 bytes
=========     at scale_kernel+0x1b0 in candidate.py:12
=========     by thread (31,0,0) in block (1,0,0)
=========     Access at 0x7f2c3a201000 is out of bounds
=========     and is 1 bytes after the nearest allocation at 0x7f2c3a200000 of size 4,096 bytes
=========     Saved host backtrace up to driver entry point at kernel launch time
=========
========= Invalid __global__ read of size 4 bytes
=========     at scale_kernel+0x1b0 in candidate.py:12
=========     by thread (30,0,0) in block (1,0,0)
=========     Access at 0x7f2c3a200ffc is out of bounds
=========
========= Misaligned __shared__ write of size 16 bytes
=========     at other_kernel+0x40
=========     by thread (0,0,0) in block (0,0,0)
=========
========= Invalid __global__ write of size 2 bytes
=========     at void at::native::vectorized_elementwise_kernel<4>(int, T2)+0x90 in Loops.cuh:77
=========     Access at 0x7f2c3a2ff000 is out of bounds
=========
========= ERROR SUMMARY: 4 errors
"""


def test_each_access_of_a_kernel_is_told_once_with_line_and_place() -> None:
    (access,) = memcheck.read(REPORTS, ["scale_kernel"])
    assert (access.what, access.kernel, access.line) == (
        "Invalid __global__ read of size 4 bytes",
        "scale_kernel",
        12,
    )
    assert str(access) == (
        "Invalid __global__ read of size 4 bytes in kernel scale_kernel (line 12): Access at 0x7f2c3a201000 is out of "
        "bounds and is 1 bytes after the nearest allocation at 0x7f2c3a200000 of size 4,096 bytes"
    )


def test_a_report_without_lines_is_one_too_and_others_kernels_are_not_the_candidates() -> None:
    found = memcheck.read(REPORTS, ["other_kernel", "idle_kernel"])
    assert [str(access) for access in found] == ["Misaligned __shared__ write of size 16 bytes in kernel other_kernel"]
    assert memcheck.read(REPORTS, ["vectorized"]) == ()


@pytest.mark.parametrize("said", ["", "no report\n", "========= ERROR SUMMARY: 0 errors\n", REPORTS[:80]])
def test_without_reports_there_is_nothing(said: str) -> None:
    assert memcheck.read(said, ["scale_kernel"]) == ()


def test_it_is_found_where_it_is_configured_only(tmp_path: Path) -> None:
    program = tmp_path / "compute-sanitizer"
    assert memcheck.find(str(program)) is None
    program.touch()
    assert memcheck.find(str(program)) == program
    assert memcheck.find("none") is None
