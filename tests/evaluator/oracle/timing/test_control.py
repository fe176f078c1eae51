"""What commands take without forwards is measured with workers that met no candidate, on a GPU at rest."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch

from evaluator.errors import MachineError
from evaluator.oracle.buffers import Loan, Room
from evaluator.oracle.timing.canary import Canary, Disturbance
from evaluator.oracle.timing.control import Control
from evaluator.oracle.worker import WorkerFailure, WorkerHandle

from .quiet import Calm


class Idler:
    """Answers, or dies at its first command."""

    def __init__(self, mortal: bool) -> None:
        self._mortal = mortal
        self.answered = 0
        self.killed = False

    def wait_ready(self) -> None:
        pass

    def ask(self, message: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        if self._mortal:
            raise WorkerFailure("crashed", "exit code 1")
        self.answered += 1
        return {}

    def kill(self) -> None:
        self.killed = True


class Busy(Calm):
    def calm(self) -> bool:
        return False


def starting(*idlers: Idler) -> Callable[[], WorkerHandle]:
    left = list(idlers)
    return lambda: cast(WorkerHandle, left.pop(0))


def control(*idlers: Idler, canary: Calm | None = None) -> Control:
    return Control(starting(*idlers), cast(Canary, canary or Calm()), 1.0)


def room() -> Room:
    loan = Loan("cpu")
    return loan.room(loan.pack([torch.zeros(3)] * 4))


def test_one_worker_serves_all_commands() -> None:
    idler = Idler(mortal=False)
    made = control(idler)
    made.warm()
    assert all(made.command(room()) > 0 for _ in range(3))
    assert idler.answered == 3
    made.close()
    assert idler.killed


def test_a_worker_that_died_is_replaced() -> None:
    first, second = Idler(mortal=True), Idler(mortal=False)
    made = control(first, second)
    assert made.command(room()) > 0
    assert (first.killed, second.answered) == (True, 1)


def test_two_that_die_are_no_fault_of_a_candidate() -> None:
    with pytest.raises(MachineError, match="and so did the next: exit code 1"):
        control(Idler(mortal=True), Idler(mortal=True)).command(room())


def test_nothing_is_measured_while_somebody_uses_the_gpu() -> None:
    idler = Idler(mortal=False)
    with pytest.raises(Disturbance, match="with all workers stopped"):
        control(idler, canary=Busy()).command(room())
    assert idler.answered == 0
