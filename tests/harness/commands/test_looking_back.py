"""Commands that read the store, as processes: what they print, that it is harmless, and how they end."""

import ast
import json
from pathlib import Path

import pytest

from candidates import identity
from tests.harness import recording
from tests.harness.commands.conftest import PROMPT, QUESTION, REPLY
from tests.harness.shell import harness

START, BEST, WRONG = (recording.digest(factor) for factor in range(3))
READING = (
    ("leaderboard",),
    ("show", BEST[:10]),
    ("show", WRONG[:10]),
    ("show", BEST[:10], "--reply"),
    ("show", WRONG[:10], "--analysis"),
    ("diff", START[:10], WRONG[:10]),
    ("lineage", WRONG[:10]),
)


def test_the_board_as_json_is_a_list_of_ranked_rows(results: Path) -> None:
    done = harness("leaderboard", "--json", folder=results)
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)
    assert [row["id"] for row in rows] == [BEST[:12], START[:12]]
    first = rows[0]
    assert (first["task"], first["status"], first["measured"]) == ("scale", "verified", True)
    assert (first["time_ms"], first["speedup_eager"], first["speedup_compile"]) == (1.0, 2.0, 1.5)
    assert first["time_low_ms"] < 1.0 < first["time_high_ms"]


def test_the_board_for_people_counts_failures(results: Path) -> None:
    done = harness("leaderboard", "--task", "scale", folder=results)
    assert done.returncode == 0
    assert "1 wrong_output" in done.stdout
    assert done.stdout.index(BEST[:12]) < done.stdout.index(START[:12])
    other = harness("leaderboard", "--task", "another", folder=results)
    assert BEST[:12] not in other.stdout


def test_no_results_yet_is_no_failure_and_makes_no_folder(tmp_path: Path) -> None:
    assert "No verified candidates yet" in harness("leaderboard", folder=tmp_path).stdout
    assert json.loads(harness("leaderboard", "--json", folder=tmp_path).stdout) == []
    assert list(tmp_path.iterdir()) == []


def test_the_store_can_be_named(results: Path, tmp_path: Path) -> None:
    by_word = harness("leaderboard", "--json", f"store.root={results / 'runs'}", folder=tmp_path)
    by_home = harness("leaderboard", "--json", folder=tmp_path, environment={"HARNESS_HOME": str(results / "runs")})
    assert len(json.loads(by_word.stdout)) == len(json.loads(by_home.stdout)) == 2


@pytest.mark.parametrize("words", READING)
def test_nothing_that_a_candidate_said_reaches_the_terminal(results: Path, words: tuple[str, ...]) -> None:
    done = harness(*words, folder=results, environment={"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"})
    assert done.returncode == 0, done.stderr
    assert not [code for code in ("\x1b[2J", "\x1b]0;", "\x07") if code in done.stdout]


def test_everything_about_a_candidate(results: Path) -> None:
    found = json.loads(harness("show", BEST[:10], "--json", folder=results).stdout)
    assert found["id"] == BEST
    assert identity.digest(found["source"]) == BEST
    assert found["parents"] == [START]
    assert found["prompt"] == PROMPT
    assert found["verdicts"][0]["time_ms"] == 1.0
    assert found["verdicts"][0]["profile"]["kernels"]["scale_kernel"]["launch__grid_size"] == 128
    assert found["proposals"][0]["decision"] == "kept"
    shown = harness("show", BEST[:10], folder=results).stdout
    for said in ("1 ms", "2.00x", "launch__grid_size", "by llm (some-model)", "kept", "class ModelNew"):
        assert said in shown
    assert harness("show", BEST[:10], "--prompt", folder=results).stdout.strip() == PROMPT.strip()


def test_the_analysis_that_a_repair_came_from(results: Path) -> None:
    found = json.loads(harness("show", WRONG[:10], "--json", folder=results).stdout)
    assert found["analysis"] == {"prompt": QUESTION, "reply": REPLY}
    shown = harness("show", WRONG[:10], "--analysis", folder=results).stdout
    assert shown.startswith(QUESTION)
    assert "Fewer warps" in shown
    assert "--analysis, --prompt and --reply" in harness("show", WRONG[:10], folder=results).stdout
    assert json.loads(harness("show", BEST[:10], "--json", folder=results).stdout)["analysis"] is None


def test_the_difference_of_two(results: Path) -> None:
    found = json.loads(harness("diff", START[:10], BEST[:10], "--json", folder=results).stdout)
    changed = [line for line in found["diff"] if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert len(changed) == 2
    assert "* 0" in changed[0]
    assert "* 1" in changed[1]
    assert [verdict["time_ms"] for verdict in found["verdicts"]] == [2.0, 1.0]


def test_a_lineage_goes_from_the_start_to_the_candidate(results: Path) -> None:
    steps = json.loads(harness("lineage", WRONG[:10], "--json", folder=results).stdout)
    assert [step["candidate"] for step in steps] == [START, BEST, WRONG]
    assert steps[1]["verdict"]["speedup"] == 2.0


def test_an_export_stands_alone_and_says_where_it_comes_from(results: Path, tmp_path: Path) -> None:
    done = harness("export", BEST[:10], "-o", str(tmp_path / "kernel.py"), folder=results)
    assert done.returncode == 0
    text = (tmp_path / "kernel.py").read_text()
    assert identity.digest(text) == BEST
    header = text[: text.index("\nimport")]
    assert all(line.startswith("#") or not line for line in header.splitlines())
    for said in (BEST, "verified", "1 ms", "NVIDIA GeForce RTX 4090", "harness replay"):
        assert said in header


def test_a_failed_candidate_is_exported_with_a_warning(results: Path, tmp_path: Path) -> None:
    done = harness("export", WRONG[:10], "-o", str(tmp_path / "kernel.py"), folder=results)
    assert "not verified" in done.stderr
    text = (tmp_path / "kernel.py").read_text()
    assert "wrong_output" in text
    assert "\x1b" not in text
    ast.parse(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "zzzz"), "zzzz"),
        (("show", ""), ""),
        (("diff", BEST[:10], "zzzz"), "zzzz"),
        (("lineage", "zzzz"), "zzzz"),
        (("export", "zzzz", "-o", "x.py"), "zzzz"),
        (("export", BEST[:10], "-o", "no/such/folder/x.py"), "no/such/folder"),
        (("show", BEST[:10], "stoer.root=x"), "store.root"),
        (("show", BEST[:10], "store.root=nowhere"), "nowhere"),
        (("replay",), "--best"),
        (("leaderboard", "--jsn"), "--jsn"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(results: Path, words: tuple[str, ...], said: str) -> None:
    done = harness(*words, folder=results)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "runs" / "harness.db"
    database.parent.mkdir()
    database.write_bytes(b"not a database at all, but somebody's file\n" * 100)
    before = database.read_bytes()
    done = harness("leaderboard", folder=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert database.read_bytes() == before
    assert "Traceback" in harness("leaderboard", "--debug", folder=tmp_path).stderr
