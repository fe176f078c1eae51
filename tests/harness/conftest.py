from pathlib import Path
from typing import Any

import pytest

from candidates import advice
from harness.proposers.base import Proposer
from tests.harness.bench import Bench
from tests.harness.recording import settings


@pytest.fixture(autouse=True)
def _without_a_second_opinion(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where kernelguard is not installed: its process would take most of the time of these tests."""
    monkeypatch.setattr(advice, "available", lambda: False)


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Makes benches, each in a folder of its own."""
    made: list[Bench] = []

    def make(table: Any, writer: Proposer, **changes: Any) -> Bench:
        root = tmp_path / str(len(made))
        root.mkdir()
        made.append(Bench(root, settings(root, **changes), table, writer))
        return made[-1]

    yield make
    for one in made:
        one.close()
