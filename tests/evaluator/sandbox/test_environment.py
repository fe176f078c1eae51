"""What candidates need works inside: Python with its packages, Triton's search for libcuda, a C compiler."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from evaluator.sandbox import python_paths
from evaluator.sandbox.paths import outermost

from .conftest import Run

LARGE = {"memory_gb": 8.0, "processes": 256, "tmp_mb": 256, "output_kb": 64}

COMPILE = """
echo 'int main(void) { return 3; }' > /tmp/program.c && cc -o /tmp/program /tmp/program.c && /tmp/program
"""


@pytest.mark.slow
def test_torch_and_triton_can_be_imported(run: Run) -> None:
    script = (
        "import torch, triton; print(float(torch.ones(3).sum()), triton.runtime.cache.get_cache_manager is not None)"
    )
    answer = run("{python}", "-c", script, timeout_s=60, **LARGE)
    assert (answer.code, answer.output, answer.killed_for) == (0, "3.0 True\n", "")


def test_triton_can_look_for_libcuda(run: Run) -> None:
    assert run("/bin/sh", "-c", "/sbin/ldconfig -p | grep -c 'libc.so.6'").code == 0


@pytest.mark.skipif(shutil.which("cc") is None, reason="this machine has no C compiler")
def test_the_c_compiler_works(run: Run) -> None:
    answer = run("/bin/sh", "-c", COMPILE, **LARGE)
    assert (answer.code, answer.output) == (3, "")


def test_python_paths_are_separate_and_hold_the_packages() -> None:
    found = python_paths()
    assert found == outermost(found)
    for name in ("torch", "triton", "numpy"):
        package = importlib.util.find_spec(name)
        assert package is not None
        assert package.origin is not None
        assert any(Path(package.origin).is_relative_to(path) for path in found), name


def test_outermost_drops_what_lies_inside() -> None:
    given = [Path("/a/b"), Path("/a/b/c"), Path("/a/bc"), Path("/a/b"), Path("/d")]
    assert outermost(given) == (Path("/a/b"), Path("/a/bc"), Path("/d"))
