"""Ctrl-C: once asks the run to finish what is in flight and to save it, twice stops at once."""

import contextlib
import queue
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

ONCE = "Interrupted: finishing and saving what is in flight. Ctrl-C again stops at once."


class Interruption:
    """While it is entered, the first SIGINT sets `requested` and has `tell` called; the next raises KeyboardInterrupt.

    `tell` is called in a thread of its own. A signal handler runs between any two instructions of the main thread, in
    the middle of a print as well, and a stream refuses to be written to while it is being written to; of what is used
    here, only the put of a SimpleQueue may be called from there.

    Only the main thread of a process may enter it (a rule of Python's signal handling).
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.requested = False
        self._before: object = signal.SIG_DFL
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._teller = threading.Thread(target=self._tell, name="interruption", daemon=True)

    def __enter__(self) -> Self:
        self._teller.start()
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]
        self._lines.put("")
        self._teller.join()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._lines.put(ONCE)

    def _tell(self) -> None:
        while line := self._lines.get():
            with contextlib.suppress(OSError):  # nobody reads any more: the main thread will meet that itself
                self.tell(line)
