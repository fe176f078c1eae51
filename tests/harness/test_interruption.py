"""Ctrl-C at the worst moments."""

import io
import os
import signal
import threading
from typing import Any

import pytest

from harness.interruption import ONCE, Interruption


class Pressing(io.RawIOBase):
    """A file that Ctrl-C is pressed in the middle of the first write to."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written.append(bytes(data).decode())
        if len(self.written) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return len(data)


def test_the_first_asks_and_says_so_the_second_stops() -> None:
    said: list[str] = []
    with Interruption(said.append) as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert said == [ONCE]


def test_ctrl_c_in_the_middle_of_a_print() -> None:
    file = Pressing()
    stream = io.TextIOWrapper(io.BufferedWriter(file), write_through=True)
    said = threading.Event()

    def tell(line: str) -> None:
        print(line, file=stream, flush=True)
        said.set()

    with Interruption(tell) as interruption:
        print("a line of the run", file=stream, flush=True)
        assert interruption.requested
        assert said.wait(60)
    assert "".join(file.written) == f"a line of the run\n{ONCE}\n"


def test_before_and_after_ctrl_c_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption(lambda line: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_nobody_reads_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def tell(line: str) -> None:
        raise BrokenPipeError

    with Interruption(tell) as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.requested
    assert raised == []
