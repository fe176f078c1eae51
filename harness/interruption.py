"""Ctrl-C: once asks the run to finish what is in flight and to save it, twice stops at once."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self


class Interruption:
    """While it is entered, the first SIGINT sets `requested` and calls `tell`; the next one raises KeyboardInterrupt.

    Only the main thread of a process may enter it (a rule of Python's signal handling).
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.requested = False
        self._before: object = signal.SIG_DFL

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self.tell("Interrupted: finishing and saving what is in flight. Ctrl-C again stops at once.")
