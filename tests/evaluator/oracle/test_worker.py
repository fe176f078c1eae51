"""Starting a worker where that fails. What it answers is tested with candidates, through the service."""

from pathlib import Path
from typing import Any

import pytest

from evaluator.errors import MachineError
from evaluator.oracle.worker import WorkerHandle
from evaluator.request import Limits


class Unreadable:
    """A confinement that says why there can be no sandbox."""

    target: Any = None
    transport: Any = "memfd"

    def spec(self, mode: str, fd: int) -> Any:
        raise MachineError("the folder can't be read by the sandbox's user", "Allow everybody to read it.")


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_a_worker_that_can_not_be_started_leaves_no_socket_open() -> None:
    before = open_files()
    with pytest.raises(MachineError):
        WorkerHandle("interpret", Unreadable(), Limits())
    assert open_files() == before
