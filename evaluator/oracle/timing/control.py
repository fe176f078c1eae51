"""What an audit's command takes besides its forwards, measured without the candidate.

A worker that meets no candidate answers, and the oracle makes the copies that a candidate's worker makes. Had a
candidate's worker a part in it, it could be slow at that as well, and claim less by as much.
"""

import time
from collections.abc import Callable

from evaluator.errors import MachineError
from evaluator.oracle.buffers import Room
from evaluator.oracle.timing.canary import Canary, Disturbance
from evaluator.oracle.worker import WorkerFailure, WorkerHandle


class Control:
    """Commands that run no forwards. Its worker starts when it is warmed or needed, and lives as long as it does.

    Args:
        start: gives a new worker.
        canary: has learnt what it takes before the first command.
        timeout_s: for one command.
    """

    def __init__(self, start: Callable[[], WorkerHandle], canary: Canary, timeout_s: float) -> None:
        self._start = start
        self._canary = canary
        self._timeout_s = timeout_s
        self._worker: WorkerHandle | None = None

    def warm(self) -> WorkerHandle:
        """Its worker, started if there is none; ahead of need, it starts while a candidate is checked."""
        if self._worker is None:
            self._worker = self._start()
        return self._worker

    def command(self, room: Room) -> float:
        """Milliseconds from the command until the oracle has its own copies of all outputs in `room`.

        The worker that is audited has to be stopped: what it had enqueued is waited for, so that nothing of it slows
        this down.

        Raises:
            Disturbance: the GPU would not come to rest.
            MachineError: the worker died, and so did another one.
        """
        if not self._canary.calm():
            raise Disturbance("")
        try:
            return self._measure(room)
        except WorkerFailure:
            self.close()
        try:
            return self._measure(room)
        except WorkerFailure as error:
            self.close()
            problem = f"the worker that commands are compared with died, and so did the next: {error}"
            raise MachineError(problem, "`harness doctor` may say why.") from error

    def close(self) -> None:
        """End its worker."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def _measure(self, room: Room) -> float:
        worker = self.warm()
        worker.wait_ready()
        began = time.perf_counter()
        worker.ask({"do": "idle"}, self._timeout_s)
        room.hand_over()
        room.fill()
        return (time.perf_counter() - began) * 1e3
