"""The names of the installed Triton, probed once and kept."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator import triton_api


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    triton_api.names.cache_clear()
    yield tmp_path
    triton_api.names.cache_clear()


def test_names_are_those_of_the_installed_triton(cache: Path) -> None:
    api = triton_api.names()
    assert {"load", "store", "dot", "float32", "program_id"} <= api.language
    assert "tanh" in api.libdevice
    assert "tanh" not in api.language
    assert "cdiv" in api.top
    assert not any(name.startswith("_") for name in api.language)


def test_the_answer_is_kept_by_version_and_read_again(cache: Path) -> None:
    first = triton_api.names()
    (path,) = (cache / "triton-harness").iterdir()
    assert first.version in path.name
    kept = json.loads(path.read_text())
    kept["language"].append("a_name_from_the_file")
    path.write_text(json.dumps(kept))
    triton_api.names.cache_clear()
    assert "a_name_from_the_file" in triton_api.names().language


def test_a_damaged_file_is_replaced(cache: Path) -> None:
    first = triton_api.names()
    (path,) = (cache / "triton-harness").iterdir()
    path.write_text("{")
    triton_api.names.cache_clear()
    assert triton_api.names() == first
    assert json.loads(path.read_text())


def test_triton_itself_is_not_imported(cache: Path) -> None:
    before = "triton" in sys.modules
    triton_api.names()
    assert ("triton" in sys.modules) == before
