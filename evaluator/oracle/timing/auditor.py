"""Sittings of the audit clock (P12): a worker goes around its ring of fresh inputs while the oracle's clock runs."""

import secrets
import time

from evaluator.oracle.buffers import Room
from evaluator.oracle.correctness import Examination
from evaluator.oracle.timing.audit import Audit
from evaluator.oracle.timing.control import Control
from evaluator.oracle.timing.ring import Ring

_IDLE_COMMANDS = 2  # for each that runs forwards
_CONFIRMED = 6  # forwards of an audit whose outputs are judged
_SECRET = secrets.SystemRandom()


class Auditor:
    """Times ways around a ring and judges what they returned.

    Args:
        examination: verified; its worker is alive.
        ring: which the worker has made ready to go around.
        control: what commands are compared with.
        timeout_s: for one command.
    """

    def __init__(self, examination: Examination, ring: Ring, control: Control, timeout_s: float) -> None:
        self._examination = examination
        self._worker = examination.worker
        self._ring = ring
        self._control = control
        self._timeout_s = timeout_s

    def sit(self, audits: int) -> Audit:
        """Time fresh iterations on the oracle's clock, and judge outputs of them that the worker could not foresee.

        Raises:
            WorkerFailure: the worker failed.
            Mismatch: an output of a timed iteration is wrong.
            Violation: an input of one was changed.
            Disturbance: the GPU would not come to rest while the worker was stopped.
        """
        whole = secrets.randbelow(audits)  # of this one every output is compared; large outputs: only of it
        room = self._ring.room()
        self._ring.fill()
        self._command(room)
        self._without_forwards(room)
        empty, full = [], []
        for index in range(audits):
            seeds = self._ring.fill()
            full.append(self._command(room))
            copies = self._ring.by_slot(room.tensors())
            chosen: list[int] = []
            if index == whole:
                chosen = self._examination.strangest(seeds, copies, _CONFIRMED)
            elif not self._ring.large:
                chosen = _SECRET.sample(range(len(copies)), min(_CONFIRMED, len(copies)))
            self._ring.judge(seeds, {slot: copies[slot] for slot in chosen})
            empty += self._without_forwards(room)
        return Audit(len(self._ring.slots), tuple(empty), tuple(full))

    def _command(self, room: Room) -> float:
        """Milliseconds from the command until the oracle has its own copies of all outputs."""
        began = time.perf_counter()
        self._worker.ask({"do": "audit"}, self._timeout_s)
        room.fill()
        return (time.perf_counter() - began) * 1e3

    def _without_forwards(self, room: Room) -> list[float]:
        """Milliseconds of commands as `_command`, which run none; this worker is stopped meanwhile."""
        took = []
        self._worker.freeze()
        try:
            for _ in range(_IDLE_COMMANDS):
                self._ring.fill()  # as before the others: waiting, and caches that were used, cost time as well
                took.append(self._control.command(room))
        finally:
            self._worker.thaw()
        return took
