import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.catalog import load_gpus, load_task, load_tolerance, read_reference, task_names
from evaluator.errors import UsageError

CONF = Path(__file__).parents[2] / "conf"
REFERENCE = """\
import torch
from torch import nn

ROWS = 512


class Model(nn.Module):
    def forward(self, x):
        return x + 1


def get_inputs():
    return [torch.randn(ROWS, 33)]


def get_init_inputs():
    return []
"""


def problem_of(name: str, conf: Path = CONF) -> UsageError:
    with pytest.raises(UsageError) as failure:
        load_task(name, conf)
    return failure.value


def test_a_bundled_task_comes_with_its_policies_and_sources() -> None:
    task = load_task("convtranspose_layernorm_gelu", CONF)
    assert task.tolerance == load_tolerance("approx", CONF)
    assert task.category == "fusion"
    assert "class Model(" in task.reference
    assert "class ModelNew(" in task.start
    assert task.small["WIDTH"] == 19
    assert task.precision.cudnn_allow_tf32


def test_any_reference_file_is_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plus_one.py").write_text(REFERENCE)
    monkeypatch.chdir(tmp_path)
    for spelling in ("plus_one.py", "./plus_one.py", str(tmp_path / "plus_one.py")):
        task = load_task(spelling, CONF)
        assert (task.name, task.category, task.tolerance.name, task.start) == ("plus_one", "fusion", "standard", "")
        assert task.reference == REFERENCE
        assert task.path == tmp_path / "plus_one.py"


def test_what_a_task_says_can_be_overridden(tmp_path: Path) -> None:
    start = tmp_path / "start.py"
    start.write_text("class ModelNew: ...\n")
    task = load_task("softmax", CONF, tolerance="strict", category="network", start=start)
    assert (task.tolerance.name, task.category, task.start) == ("strict", "network", "class ModelNew: ...\n")
    assert task.digest != load_task("softmax", CONF).digest


def test_identity_ignores_where_the_file_lies(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.py").write_text(REFERENCE)
    digests = {load_task(str(tmp_path / folder / f"{folder}.py"), CONF).digest for folder in ("one", "two")}
    assert len(digests) == 1


def test_an_unknown_name_gets_the_nearest_and_the_list() -> None:
    error = problem_of("sofmax")
    assert "'sofmax'" in error.problem
    assert error.remedy.startswith("Did you mean softmax?")
    assert "matmul_bias_relu" in error.remedy
    assert error.exit_code == 2


def test_an_unknown_tolerance_is_named() -> None:
    with pytest.raises(UsageError, match="standrad") as failure:
        load_task("softmax", CONF, tolerance="standrad")
    assert "Did you mean standard?" in failure.value.remedy


def test_a_missing_file_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    assert "does not exist" in problem_of(str(tmp_path / "absent.py")).problem
    assert "is a directory" in problem_of(str(tmp_path)).problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"class Model:\n    def f(self:\n", "line 2"),
        (b"x = '\xff'\n", "not UTF-8"),
        (b"x = 1\x00\n", "null bytes"),
        (b"", "does not define Model, get_inputs, get_init_inputs"),
        (REFERENCE.replace("class Model", "class Modell").encode(), "does not define Model"),
        (REFERENCE.replace("def get_inputs", "def inputs").encode(), "does not define get_inputs"),
        (("(" * 5000 + ")" * 5000).encode(), "reference"),
    ],
)
def test_a_file_that_is_no_reference_is_refused_with_the_reason(tmp_path: Path, text: bytes, expected: str) -> None:
    file = tmp_path / "bad.py"
    file.write_bytes(text)
    error = problem_of(str(file))
    assert expected in error.problem
    assert "bad.py" in error.problem
    assert error.remedy


def test_names_may_be_bound_in_other_ways(tmp_path: Path) -> None:
    file = tmp_path / "other.py"
    file.write_bytes(
        b"\xef\xbb\xbffrom shapes import get_inputs\n"
        b"try:\n    from net import Net as Model\nexcept ImportError:\n    Model = None\n"
        b"if True:\n    def get_init_inputs(): return []\n"
    )
    assert read_reference(file).startswith("from shapes")


def test_a_reference_is_not_executed(tmp_path: Path) -> None:
    file = tmp_path / "loud.py"
    file.write_text(REFERENCE + f"\nopen({str(tmp_path / 'ran')!r}, 'w')\n")
    load_task(str(file), CONF)
    assert not (tmp_path / "ran").exists()


def test_loading_imports_neither_torch_nor_triton() -> None:
    program = (
        "import sys, pathlib; from evaluator import catalog, devices\n"
        f"conf = pathlib.Path({str(CONF)!r})\n"
        "[catalog.load_task(name, conf) for name in catalog.task_names(conf)]\n"
        "devices.choose('auto', catalog.load_gpus(conf), devices.detect(), 'auto')\n"
        "print({'torch', 'triton', 'omegaconf'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CONF.parent, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


def edited_conf(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """A copy of the configuration with one thing changed in one file."""
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    text = (conf / file).read_text()
    assert old in text
    (conf / file).write_text(text.replace(old, new))
    return conf


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("category: single", "category: double", "category"),
        ("ROWS: 12", "ROWZ: 12", "ROWZ"),
        ("title:", "titel:", "titel"),
        ("title:", "title: [", "not valid YAML"),
        ("reference/softmax.py", "reference/hardmax.py", "hardmax.py does not exist"),
    ],
)
def test_a_wrong_task_file_is_a_usage_error(tmp_path: Path, old: str, new: str, expected: str) -> None:
    error = problem_of("softmax", edited_conf(tmp_path, "task/softmax.yaml", old, new))
    assert expected in str(error)


def test_a_wrong_gpu_file_is_a_usage_error(tmp_path: Path) -> None:
    conf = edited_conf(tmp_path, "gpu/l4.yaml", "name: l4\n", "name: l5\n")
    with pytest.raises(UsageError, match="'l5'"):
        load_gpus(conf)


def test_an_empty_folder_has_no_tasks(tmp_path: Path) -> None:
    assert task_names(tmp_path) == ()
    assert load_gpus(tmp_path) == ()
    assert "no task" in problem_of("softmax", tmp_path).remedy
