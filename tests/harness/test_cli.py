"""The command line as a process: which command, which exit code, which words on which stream."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from candidates.store import Store
from candidates.store.revision import REVISION
from harness import completion
from harness.cli import COMMANDS, dispatch, main
from tests.harness.shell import ROOT, harness

SECRET = "sk-0123456789abcdef"


def test_without_a_command_all_are_listed(tmp_path: Path) -> None:
    done = harness(folder=tmp_path)
    assert done.returncode == 0
    assert [name for name in COMMANDS if f"  {name} " not in done.stdout] == []


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "run"])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        dispatch([name, "--help"], debug=False)
    assert end.value.code == 0
    assert f"usage: harness {name}" in capsys.readouterr().out


def test_the_help_of_run_lists_settings_and_choices(tmp_path: Path) -> None:
    done = harness("run", "--help", folder=tmp_path)
    assert done.returncode == 0
    expected = ("proposer: auto, inductor, llm", "min_gain: 0.02", "harness run -m")
    assert [said for said in expected if said not in done.stdout] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("leaderbord",), "harness leaderboard"),
        (("stage=finetune",), "harness run stage=finetune"),
        (("run", "serach.rounds=3"), "search.rounds"),
        (("run", "task=sofmax"), "softmax"),
        (("run", "finetune"), "KEY=VALUE"),
        (("run", "--bogus"), "--bogus"),
        (("run", "proposer=llm"), "llm.model"),
        (("evaluate", "none.py", "--task", "softmax"), "none.py"),
        (("evaluate", "none.py"), "--task"),
        (("prompt", "stage=grid,tiling"), "one stage"),
        (("prompt", "stage=repair"), "candidate"),
        (("tasks", "tsak=x"), "task"),
    ],
)
def test_wrong_usage_exits_with_2_and_a_sentence(
    tmp_path: Path,
    words: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = here(words, tmp_path, monkeypatch)
    told = capsys.readouterr().err
    assert code == 2
    assert said in told
    assert "Traceback" not in told


def test_a_process_ends_with_the_same_code(tmp_path: Path) -> None:
    done = harness("run", "serach.rounds=3", folder=tmp_path)
    assert done.returncode == 2
    assert "search.rounds" in done.stderr


def here(words: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command line, in this process: starting one takes longer than most answers."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HARNESS_HOME", "HARNESS_STORE_URL", "HYDRA_FULL_ERROR"):  # which the command sets, too
        monkeypatch.setenv(name, "")
    try:
        return main(words)
    except SystemExit as end:  # of argparse
        return int(end.code or 0)


@pytest.mark.parametrize("words", [("run", f"llm.api_key={SECRET}"), ("run", "-m", f"llm.model=a,{SECRET}")])
def test_a_key_as_a_setting_is_refused_before_anything_is_written(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = harness(*words, folder=tmp_path)
    assert done.returncode == 2
    assert SECRET not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_debug_adds_the_traceback_wherever_it_stands(tmp_path: Path) -> None:
    for words in (("--debug", "run", "stage=finetun"), ("run", "stage=finetun", "--debug")):
        done = harness(*words, folder=tmp_path)
        assert done.returncode == 2
        assert "Traceback" in done.stderr
        assert "error: " in done.stderr


def test_the_composed_configuration_can_be_seen(tmp_path: Path) -> None:
    done = harness("run", "--cfg", "job", "task=softmax", "stage=grid,tiling", folder=tmp_path)
    assert done.returncode == 0
    assert "task: softmax" in done.stdout
    assert "- grid\n- tiling\n" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_ends_with_the_worst_exit_code_and_goes_through_all(tmp_path: Path) -> None:
    done = harness("run", "-m", "stage=finetun,tilling", folder=tmp_path)
    assert done.returncode == 2
    assert "'finetun'" in done.stderr
    assert "'tilling'" in done.stderr


def test_a_store_that_cannot_be_made_is_the_machines_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = harness("run", "store.root=file/below", folder=tmp_path)
    assert done.returncode == 3
    assert "store.root" in done.stderr
    assert "Traceback" not in done.stderr


def test_hydra_writes_below_the_store_only(tmp_path: Path) -> None:
    harness("run", "stage=finetun", "store.root=kept here", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept here"]
    assert list((tmp_path / "kept here" / "hydra").glob("*/.hydra/overrides.yaml"))


def test_tasks_and_prompt_for_programs(tmp_path: Path) -> None:
    tasks = json.loads(harness("tasks", "--json", folder=tmp_path).stdout)
    assert {"softmax", "rmsnorm", "swiglu"} <= {task["name"] for task in tasks}
    made = json.loads(harness("prompt", "stage=finetune", "task=softmax", "--json", folder=tmp_path).stdout)
    assert (made["task"], made["stage"]) == ("softmax", "finetune")
    assert "[CURRENT CODE]" in made["prompt"]
    assert "softmax_kernel" in made["prompt"]


def test_a_candidates_file_can_be_put_into_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text('class ModelNew:\n    """Holds a fence: ```python."""\n')
    done = harness("prompt", "stage=finetune", "task=softmax", "candidate=mine.py", folder=tmp_path)
    assert done.returncode == 0
    assert "Holds a fence" in done.stdout
    assert "not evaluated here yet" in done.stderr


def test_doctor_says_for_everything_whether_it_works(tmp_path: Path) -> None:
    with Store.open("", tmp_path / "runs") as store:
        store.open_run("key", {})
    done = harness("doctor", "--json", folder=tmp_path)
    findings = json.loads(done.stdout)
    said = {finding["name"]: finding["found"] for finding in findings}
    assert {"python", "torch", "triton", "sandbox", "ncu", "disk", "store", "model"} <= set(said)
    assert said["store"].endswith("runs: 1 run")
    assert re.fullmatch(rf"sqlite, revision {REVISION}, 0\.\d MB, 0\.0 MB of texts beside it", said["database"])
    assert done.returncode == (3 if any(finding["state"] == "fail" for finding in findings) else 0)
    assert [f["name"] for f in findings if f["state"] == "fail" and not f["remedy"]] == []


def test_a_reader_that_leaves_is_no_failure(tmp_path: Path) -> None:
    command = f"{sys.executable} -m harness prompt stage=draft | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": "/root"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_board_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    script = (
        "import sys; from harness.cli import main; code = main(['leaderboard', '--json'])\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & set(sys.argv[1:])), code)"
    )
    slow = ["torch", "triton", "hydra", "openai", "sqlalchemy", "pydantic", "rich"]
    with Store.open("", tmp_path / "runs") as store:
        store.put_candidate("x = 1")
    done = subprocess.run(
        [sys.executable, "-c", script, *slow], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_completion_knows_commands_and_names() -> None:
    assert completion.candidates("harness le") == ["leaderboard"]
    assert "rmsnorm" in (completion.candidates("harness evaluate x.py --task r") or [])
    assert completion.candidates("harness run gpu=rtx5") == ["gpu=rtx5090"]
    assert completion.candidates("harness run stage=grid,fine") == ["stage=grid,finetune"]
    assert completion.candidates("harness run task=./x") is None
    assert completion.without_command("harness run search.ro") == "harness search.ro"


def test_completion_asks_hydra_for_the_rest(tmp_path: Path) -> None:
    query = {"COMP_LINE": "harness run proposer=r", "COMP_POINT": "22"}
    done = harness("-sc", "query=bash", folder=tmp_path, environment=query)
    assert done.stdout.split() == ["proposer=recorded", "proposer=rules"]
    query["COMP_LINE"] = "harness run search.min"
    assert harness("-sc", "query=bash", folder=tmp_path, environment=query).stdout.split() == ["search.min_gain="]
    assert "complete -o nospace" in harness("-sc", "install=bash", folder=tmp_path).stdout
