"""The board on narrow and wide terminals, and the file of the best kernel."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from candidates import identity
from candidates.board import Row
from evaluator.errors import StoreError
from evaluator.verdict import Elsewhere, Evidence, KernelFacts, Status, Verdict
from evaluator.work import Ceilings
from harness.reports import best
from harness.reports.board import print_board
from harness.reports.columns import COLUMNS, time_cell
from harness.reports.verdict import as_json, lines, print_verdict
from tests.evaluator.verdicts import default_task, rtx4090
from tests.harness.recording import digest, source


def row(rank: int = 1, **more: Any) -> Row:
    """A measured row of the board."""
    given: dict[str, Any] = {
        "rank": rank,
        "id": digest(rank)[:12],
        "task": "layernorm_gelu_scale",
        "device": "NVIDIA GeForce RTX 4090",
        "status": Status.VERIFIED,
        "measured": True,
        "nominated": False,
        "checked_on": "device",
        "time_ms": 2.3141,
        "time_low_ms": 2.3101,
        "time_high_ms": 2.3181,
        "speedup_eager": 2.214,
        "speedup_compile": 1.034,
        "baseline_ms": {"eager": 5.123, "compile": 2.393},
        "kernel": "ln_gelu_scale",
        "fits": True,
        "registers": 40,
        "spill_bytes": 0,
        "shared_bytes": 12_288,
        "occupancy": 0.8333,
        "limited_by": "registers",
        "num_warps": 8,
        "num_stages": 3,
        "stage": "finetune",
        "proposer": "rules",
        "change": "num_warps 4 -> 8, num_stages 2 -> 3 in ln_gelu_scale",
        "parents": (),
        "run": "0123abcd",
    }
    return Row(**{**given, **more})


def unmeasured(rank: int, **more: Any) -> Row:
    """A row of a run without a GPU."""
    nothing = dict.fromkeys(("time_ms", "time_low_ms", "time_high_ms", "speedup_eager", "speedup_compile"))
    given: dict[str, Any] = {
        **nothing,
        "measured": False,
        "nominated": True,
        "checked_on": "interpreter",
        "baseline_ms": {"eager": None, "compile": None},
    }
    return row(rank, **{**given, **more})


def shown(rows: list[Row], width: int, failures: dict[str, int] | None = None) -> str:
    out = io.StringIO()
    print_board(rows, failures or {}, Console(file=out, width=width, color_system=None))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_every_row_is_one_line_within_the_width(width: int) -> None:
    text = shown([row(1), row(2, change="x" * 300), unmeasured(3)], width)
    assert all(len(line) <= width for line in text.splitlines())
    for rank in (1, 2, 3):
        assert sum(digest(rank)[:12] in line for line in text.splitlines()) == 1


def test_a_wide_board_shows_every_column() -> None:
    text = shown([row()], 170)
    for word in (
        "2.314 ±0.004",
        "2.21",
        "1.03",
        "40",
        "12K",
        "83%",
        "8/3",
        "finetune",
        "num_warps 4 -> 8, num_stages 2 -> 3 in ln_gelu_scale",
        "verified",
        "reference: eager 5.123 ms, compile 2.393 ms",
    ):
        assert word in text


def test_at_100_columns_a_run_without_a_gpu_shows_all_static_facts() -> None:
    lines = shown([unmeasured(1), unmeasured(2, nominated=False)], 100).splitlines()
    header = next(line for line in lines if "status" in line)
    shown_columns = [column for column in COLUMNS if column.header in header]
    assert {column.header for column in shown_columns} >= {"time ms", "regs", "spill", "shared", "occ", "w/st"}
    assert any("nominated" in line and "—" in line for line in lines)
    assert any("unmeasured" in line and digest(2)[:12] in line for line in lines)


def test_at_80_columns_time_and_speedups_outlast_launch_details() -> None:
    header = next(line for line in shown([row()], 80).splitlines() if "status" in line)
    assert "time ms" in header
    assert "×eager" in header
    assert "shared" not in header


def test_an_unmeasured_board_says_that_nothing_is_known_about_speed() -> None:
    text = " ".join(shown([unmeasured(1), unmeasured(2)], 100).split())
    assert "nothing says yet which one is faster" in text
    assert "2 nominated" in text
    assert "replay --pending" in text


def test_one_table_for_each_task_and_device() -> None:
    text = shown([row(1), row(1, device="NVIDIA H100 80GB HBM3"), row(1, task="softmax")], 100)
    assert text.count("time ms  ") >= 3
    assert "layernorm_gelu_scale on NVIDIA H100 80GB HBM3" in text
    assert "softmax on NVIDIA GeForce RTX 4090" in text


def test_failures_are_counted_below() -> None:
    text = shown([row()], 100, {"wrong_output": 1, "compile_error": 2, "timeout": 0})
    assert "Not on the board: 2 compile_error, 1 wrong_output" in text


def test_an_empty_board_says_so() -> None:
    assert "No verified candidates yet." in shown([], 80)


def test_what_a_model_wrote_is_shown_as_plain_text() -> None:
    text = shown([row(change="[bold]\x1b[2Jgone[/bold]\nsecond line")], 140)
    assert "\x1b" not in text
    assert "[bold]" in text
    assert len([line for line in text.splitlines() if "second line" in line or digest(1)[:12] in line]) == 1


@pytest.mark.parametrize(
    ("low", "middle", "high", "cell"),
    [
        (2.3101, 2.3141, 2.3181, "2.314 ±0.004"),
        (23.2, 23.31, 23.4, "23.31 ±0.10"),
        (0.01600, 0.01632, 0.01660, "0.01632 ±0.00030"),
        (1234.0, 1234.6, 1235.0, "1235 ±0"),
    ],
)
def test_times_have_four_digits_at_every_size(low: float, middle: float, high: float, cell: str) -> None:
    assert time_cell(row(time_low_ms=low, time_ms=middle, time_high_ms=high)) == cell


def test_the_file_of_the_best_is_the_candidate_with_what_is_known_about_it(tmp_path: Path) -> None:
    path = best.place(tmp_path, "layernorm_gelu_scale", "rtx4090", measured=True)
    assert path == tmp_path / "best" / "layernorm_gelu_scale-rtx4090.py"
    best.write(path, source(1), row())
    text = path.read_text()
    assert text.endswith(source(1))
    assert "# Measured: 2.314 ms (2.21x eager, 1.03x torch.compile)." in text
    assert identity.digest(text) == digest(1)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_nominated_kernel_lies_elsewhere_and_claims_nothing(tmp_path: Path) -> None:
    path = best.place(tmp_path, "../odd name", "rtx4090", measured=False)
    assert path.parent == tmp_path / "nominated"
    best.write(path, source(1), unmeasured(1))
    assert "Nominated, unmeasured" in path.read_text()


def test_a_faster_kernel_of_an_earlier_run_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "best.py"
    rows = (row(1, time_ms=1.0), row(2, time_ms=1.5))
    assert best.faster_before(path, rows[1], rows, 0.02) is None
    best.write(path, source(1), rows[0])
    assert best.faster_before(path, rows[1], rows, 0.02) == rows[0]
    assert best.faster_before(path, row(2, time_ms=1.01), rows, 0.02) is None
    path.write_text("not python (")
    assert best.faster_before(path, rows[1], rows, 0.02) is None


def test_an_unwritable_place_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "best").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="can't be written"):
        best.write(best.place(tmp_path, "task", "gpu", measured=True), source(1), row())


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "best.py" / "a folder in the way").mkdir(parents=True)
    with pytest.raises(StoreError):
        best.write(tmp_path / "best.py", source(1), row())
    assert [file.name for file in tmp_path.iterdir()] == ["best.py"]


def test_reduced_isolation_is_marked_on_its_row_and_explained() -> None:
    console = Console(file=io.StringIO(), width=160)
    print_board((row(1), row(2, reduced_isolation=True)), {}, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert printed.count("verified†") == 1
    assert "† reduced isolation" in printed
    plain = Console(file=io.StringIO(), width=160)
    print_board((row(1),), {}, plain)
    assert "†" not in plain.file.getvalue()  # type: ignore[attr-defined]


def test_reduced_isolation_is_said_in_words_with_the_verdict() -> None:
    evidence = Evidence(isolation=("reduced-isolation", "seccomp"), isolation_missing=("pid-namespace",))
    reduced = Verdict(status=Status.UNCHECKED, task="softmax", device="RTX 4090", evidence=evidence)
    said = "\n".join(lines(reduced))
    assert "isolation reduced" in said
    assert "sandbox   reduced-isolation, seccomp" in said
    assert "without   pid-namespace" in said
    whole = reduced.model_copy(update={"evidence": Evidence(isolation=("user-namespace",))})
    assert "reduced" not in "\n".join(lines(whole))


def test_where_the_time_goes_and_how_near_the_ceilings_it_is() -> None:
    verdict = default_task()
    plain = "\n".join(lines(verdict))
    assert "the task must move 1.141 GB and do 137.4 GFLOP in convolution" in plain
    assert "ceiling" not in plain  # none were measured
    assert as_json(verdict)["evidence"]["roofline"] == []
    reached = Ceilings.of_datasheet(rtx4090()).model_copy(update={"source": "measured", "copy_gb_s": 930.0})
    evidence = verdict.evidence.model_copy(update={"ceilings": reached})
    measured = verdict.model_copy(update={"evidence": evidence})
    out = io.StringIO()
    print_verdict(measured, Console(file=out, width=140))
    said = out.getvalue()
    assert "norm_gelu_scale_kernel reaches 100% of the measured copy bandwidth (927.4 GB/s)" in said
    assert re.search(r"implicit_convolveNd_sgemm.* vendor\s+cudnn_convolution_transpose\s+85.2%\s+13.2", said)
    (roof,) = as_json(measured)["evidence"]["roofline"]
    assert roof["bound"] == "memory"
    assert roof["headroom"] == pytest.approx(0.149 * 0.003, abs=2e-4)


def test_facts_for_other_targets_are_shown_below_the_targets_own() -> None:
    verdict = default_task()
    other = KernelFacts(name="norm_gelu_scale_kernel", registers=61, num_warps=4)
    found = (Elsewhere(target="h100", kernels=(other,)), Elsewhere(target="l4", reason="compile took longer than 60 s"))
    evidence = verdict.evidence.model_copy(update={"elsewhere": found})
    out = io.StringIO()

    print_verdict(verdict.model_copy(update={"evidence": evidence}), Console(file=out, width=140))

    said = out.getvalue()
    assert re.search(r"compiled for h100, not run there\n(.*\n)*.*norm_gelu_scale_kernel\s+61", said)
    assert "compiled for l4, not run there: compile took longer than 60 s" in said
    shown = as_json(verdict.model_copy(update={"evidence": evidence}))["evidence"]["elsewhere"]
    assert [one["target"] for one in shown] == ["h100", "l4"]
