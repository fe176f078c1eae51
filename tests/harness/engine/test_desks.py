"""Where asks wait for answers."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from candidates.store import Ask, Store
from evaluator.errors import ModelError
from harness.engine.desks import Inline, Threads
from harness.interruption import Interruption
from harness.proposers.base import Context, Cost, Proposal
from tests.harness.recording import RTX_4090, STAGES, task

REPOSITORY = Path(__file__).resolve().parents[3]


def ask(number: int) -> tuple[Ask, Context]:
    stage = STAGES["finetune"]
    return Ask(number=number, after=1, stage=stage.name), Context(task(), RTX_4090, stage, 1, ticket=number)


class Unheard:
    """Asked, it has Ctrl-C arrive where the main thread, which waits for the answer, is not woken by it."""

    name = "llm"

    def __init__(self, interruption: Interruption) -> None:
        self.interruption = interruption
        self.stopped = threading.Event()
        self.gave_up = False

    def propose(self, context: Context) -> Proposal | None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        patience = time.monotonic() + 30
        while not self.interruption.requested and time.monotonic() < patience:
            time.sleep(0.01)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        self.gave_up = not self.stopped.wait(30)
        return None


class Writer:
    """Answers, declines, refuses or breaks down, as the number of the ask says; counts who was asked."""

    name = "llm"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def propose(self, context: Context) -> Proposal | None:
        self.asked.append(context.ticket)
        if context.ticket == 1:
            return None
        if context.ticket == 2:
            raise ModelError("The server refused.")
        if context.ticket == 3:
            raise ZeroDivisionError("a mistake of ours")
        return Proposal(self.name, "a change", reply="code", cost=Cost(calls=1))


@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_answer_is_a_proposal_or_a_reason_or_an_error(concurrency: int) -> None:
    kept: list[int] = []

    def keep(answered: Ask, proposal: Proposal) -> None:
        kept.append(answered.number)

    writer = Writer()
    desk: Any = Threads(writer, keep, concurrency) if concurrency > 1 else Inline(writer, keep)
    found = {}
    for number in range(3):
        desk.put(*ask(number))
        taken = desk.take()
        found[taken.ask.number] = taken
    assert found[0].proposal is not None
    assert kept == [0], "what cost something is kept at once"
    assert found[1].reason == "the llm proposer has nothing left to offer"
    assert isinstance(found[2].error, ModelError)
    desk.put(*ask(3))
    with pytest.raises(ZeroDivisionError):
        desk.take()
    assert desk.open == 0
    desk.put(*ask(4), kept=found[0].proposal)
    assert desk.take().proposal == found[0].proposal
    assert writer.asked == [0, 1, 2, 3]


def test_ctrl_c_is_heard_where_it_wakes_nobody() -> None:
    with Interruption(lambda line: None) as interruption:
        proposer = Unheard(interruption)
        desk = Threads(proposer, lambda asked, proposal: None, 4)
        desk.put(*ask(0))
        with pytest.raises(KeyboardInterrupt):
            desk.take()
        proposer.stopped.set()
    assert not proposer.gave_up
    assert desk.open == 1, "nothing was taken"


def test_ctrl_c_twice_does_not_wait_for_a_server_that_is_silent(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "tests.harness.engine.unanswered", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdout is not None
        try:
            assert any("READY" in line for line in child.stdout)
            child.send_signal(signal.SIGINT)
            assert any("finishing and saving what is in flight" in line for line in child.stdout)
            child.send_signal(signal.SIGINT)
            child.communicate(timeout=120)
        finally:
            child.kill()
    assert child.returncode == 130
    with Store.open("", tmp_path) as store:
        (record,) = store.runs()
        assert [asked.open for asked in store.asks(record.id)] == [True] * 4
