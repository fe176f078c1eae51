"""One worker made ready to be timed: blocks of forwards over its ring, audits and spot checks of them."""

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evaluator.oracle.buffers import Transport
from evaluator.oracle.correctness import Examination
from evaluator.oracle.timing.audit import Audit, Contradiction, claimed, convict
from evaluator.oracle.timing.auditor import Auditor
from evaluator.oracle.timing.control import Control
from evaluator.oracle.timing.freshness import allowance, slower
from evaluator.oracle.timing.ring import SHORT_MS, Ring, ring_slots
from evaluator.request import Timer

_MOST_RING_BYTES: dict[Transport, int] = {
    "ipc": 4 << 30,  # several slots for forwards of a gigabyte too: where one lies in memory is luck
    "pinned": 256 << 20,  # all of it crosses the bus several times an audit, and its noise with it
}
_MOST_CAPTURED_BYTES = 4 << 30  # of one slot: a graph keeps outputs of its own
_TRIED = 3  # ways around a new ring, or single forwards, to learn how long a forward takes
_TOO_SHORT = 2  # times as many slots would be right; a single forward of 5 us is timed as 8
_LOOKED_AT = 6  # outputs of a spot check around the ring, of which the strangest is judged
_SPOT_CHECKS = 8  # blocks for each one, on average
_FEW_SPOT_CHECKS = 20  # where outputs are large
_SECRET = secrets.SystemRandom()


@dataclass(frozen=True)
class Capture:
    """What a worker said when it made a ring of so many slots ready."""

    said: dict[str, Any]
    slots: int


class Contestant:
    """A verified candidate (or baseline) under the stopwatch.

    Args:
        examination: verified; its worker is alive.
        l2_bytes: of the GPU.
        timeout_s: for one command.
        control: what commands are compared with.
        observe: have the worker say what torch does while its ring is captured.
    """

    def __init__(
        self,
        examination: Examination,
        timer: Timer,
        l2_bytes: int,
        timeout_s: float,
        control: Control,
        observe: bool = True,
    ) -> None:
        self.worker = examination.worker
        self.forward_ms = 0.0
        self.not_captured = ""
        self.captures: list[Capture] = []
        self.audit: Audit | None = None
        self.examination = examination
        self._timer = timer
        self._l2_bytes = l2_bytes
        self._timeout_s = timeout_s
        self._observe = observe
        self._ring = Ring(examination)
        self._auditor = Auditor(examination, self._ring, control, timeout_s)
        self._fresh_ms: dict[bool, list[float]] = {True: [], False: []}  # by whether it was around the ring

    @property
    def slots(self) -> int:
        """How many forwards one way around the ring has."""
        return len(self._ring.slots)

    @property
    def slot_bytes(self) -> int:
        """Of the inputs and outputs of one forward."""
        return self._ring.slot_bytes

    @property
    def ring_bytes(self) -> int:
        """What the slots of a ring may take beyond the first: nothing where a single one is large."""
        return self._most_bytes if 2 * self.slot_bytes <= self._most_bytes else 0

    @property
    def _most_bytes(self) -> int:
        return _MOST_RING_BYTES[self.worker.transport]

    @property
    def cold(self) -> bool:
        """Whether the ring is too large for the L2 to keep a slot until its next turn."""
        return self.slots * self.slot_bytes > 2 * self._l2_bytes

    def stretch_ms(self, around: bool) -> float:
        """What is timed at once: one way around the ring, or a single forward."""
        return self.forward_ms * (self.slots if around else 1)

    def prepare(self) -> None:
        """Learn how long a forward takes, and lend and fill a ring that suits; does nothing the second time.

        Raises:
            WorkerFailure: the worker failed.
            ValueError: it claimed impossible times.
        """
        if self.slots:
            return
        self._ring.grow(1)
        answer = self.worker.ask(self._message("warm") | {"calls": self._timer.warmup}, self._timeout_s)
        self.forward_ms = milliseconds([answer["forward_ms"]])[0]
        self._lay(self._wanted(self.forward_ms))
        # A single forward's time was the first word. A host that was late for it, or a liar, makes it far too long.
        self.forward_ms = min(self._time(self.forward_ms < SHORT_MS, _TRIED))
        self._suit(self.forward_ms)

    def block(self, around: bool, repeats: int) -> list[float]:
        """Claimed milliseconds a forward: of `repeats` ways around the ring, or of `repeats` single forwards.

        A spot check follows when nobody can foresee it.

        Raises:
            WorkerFailure, ValueError: as for `prepare`.
            Mismatch, Violation: as for `spot_check`.
        """
        samples = self._time(around, repeats)
        if self._unforeseen():
            self._fresh_ms[around].append(self.spot_check(around))
        return samples

    def spot_check(self, around: bool) -> float:
        """Time forwards on fresh inputs as a block does, and judge an output of them; claimed milliseconds of one.

        Nothing but their inputs tells a block's forwards from these. After those that Python runs torch is observed in
        one more.

        Raises:
            WorkerFailure, ValueError: as for `prepare`.
            Mismatch: an output is wrong.
            Violation: an input was changed.
        """
        seeds = self._ring.fill()
        if self.cold:
            self._ring.displace(self._l2_bytes)
        if around:
            chosen = _SECRET.sample(range(self.slots), min(_LOOKED_AT, self.slots))
            samples = self._time(True, 1)
        else:
            first, count = secrets.randbelow(self.slots), 1 + secrets.randbelow(self.slots)
            chosen = [(first + count - 1) % self.slots]
            samples = self._time(False, count, first)
        self.worker.ask({"do": "hand_over", "slots": chosen}, self._timeout_s)
        copies = [self._ring.copy(index) for index in chosen]
        (strangest,) = self.examination.strangest([seeds[index] for index in chosen], copies, 1)
        self._ring.judge(seeds, {chosen[strangest]: copies[strangest]})
        if self._observe and (self.not_captured or not around):  # a captured graph does what it was seen to do
            self.run_like_timed()
        return min(samples)  # whatever disturbs makes forwards longer

    def take_audit(self) -> Audit:
        """One sitting of the oracle's clock, in place of those before.

        Raises:
            WorkerFailure, Mismatch, Violation, Disturbance: as for `Auditor.sit`.
        """
        self.audit = self._auditor.sit(self._timer.audits)
        return self.audit

    def run_like_timed(self) -> None:
        """One more forward like those that were timed, on any slot of the ring; only torch's operators are observed.

        What the worker says about it is the last of `Exchange.claims`. Raises WorkerFailure and Mismatch.
        """
        self.examination.exchange.forward(0, self._timeout_s, secrets.choice(self._ring.slots), bare=True)

    def undercut(self, claims_ms: Sequence[float], around: bool) -> Contradiction | None:
        """How these claims contradict the oracle's clock or, where that admits them, spot checks; None if they do not.

        As many sittings and spot checks are held as that takes. A captured graph leaves the host nothing to do: a claim
        below the oracle's clock is a lie. Where every forward is enqueued the host's time is in that clock as well.

        Args:
            claims_ms: what goes into a result, and nothing else: a liar would tell the truth where it does not count.
            around: they are of ways around the ring.

        Raises:
            WorkerFailure, Mismatch, Violation: as for `take_audit`.
            ValueError: as for `spot_check`.
        """
        assert self.audit is not None
        if self._suit(claimed(claims_ms)):
            self.take_audit()
        self.audit, problem = convict(self.audit, claims_ms, self.take_audit)
        if problem:
            return Contradiction(problem, self.audit.forward_ms, proven=not self.not_captured)
        return self._slower(claims_ms, around)

    def _slower(self, claims_ms: Sequence[float], around: bool) -> Contradiction | None:
        """How spot checks since the last claims, of which there is one at least, contradict these.

        It is proven by forwards that are as quick as ever on the same inputs once they are known. If they are not, the
        GPU's clock may have fallen since; and of a way that is enqueued one by one the host may be slow at the first.
        """
        fresh_ms, self._fresh_ms[around] = self._fresh_ms[around], []
        if not fresh_ms:
            fresh_ms.append(self.spot_check(around))
        if around and not self.cold:  # what blocks replay stays in the L2, what was just written need not
            return None
        slots = self.slots if around else 0
        problem = slower(claims_ms, fresh_ms, slots, lambda: self.spot_check(around))
        if not problem:
            return None
        claim_ms, known_ms = claimed(claims_ms), min(self._time(around, _TRIED + (0 if around else self.slots)))
        quick = known_ms - claim_ms <= allowance(claim_ms, slots)
        return Contradiction(problem, min(fresh_ms), proven=quick and not (around and self.not_captured))

    def _unforeseen(self) -> bool:
        """Whether a block is followed by a spot check."""
        return secrets.randbelow(_FEW_SPOT_CHECKS if self._ring.large else _SPOT_CHECKS) == 0

    def _time(self, around: bool, repeats: int, first: int | None = None) -> list[float]:
        """Claims of a block; single forwards begin at the slot `first`, or anywhere."""
        start = secrets.randbelow(self.slots) if first is None else first
        message = {"do": "time", "around": around, "repeats": repeats, "first": start}
        return milliseconds(self.worker.ask(message, self._timeout_s)["samples_ms"])

    def _wanted(self, forward_ms: float) -> int:
        """How many slots a ring should have for forwards that take so long."""
        return ring_slots(forward_ms, self.slot_bytes, self._l2_bytes, self._most_bytes)

    def _lay(self, count: int) -> None:
        """Lend and fill a ring of so many slots, and have the worker make ready to go around it."""
        self._ring.grow(count)
        self._ring.fill()
        self._fresh_ms = {True: [], False: []}
        answer = self.worker.ask(self._message("ring") | {"observe": self._observe}, self._timeout_s)
        self.captures.append(Capture(answer, self.slots))
        self.not_captured = str(answer["not_captured"])[:200]

    def _suit(self, forward_ms: float) -> bool:
        """Whether the ring was too short for forwards of so many milliseconds, and is longer now.

        How long it is depends on what the worker said, and what an audit allows on how long it is.
        """
        wanted = self._wanted(forward_ms)
        if wanted <= _TOO_SHORT * self.slots:
            return False
        self._lay(wanted)
        return True

    def _message(self, do: str) -> dict[str, Any]:
        capture = self.slot_bytes <= _MOST_CAPTURED_BYTES
        return {"do": do, "capture": capture, "flush_bytes": 2 * self._l2_bytes} | self._ring.message()


def milliseconds(claimed: Any) -> list[float]:
    """A worker's times, checked to be positive finite numbers.

    Raises:
        ValueError: they are not.
    """
    if not isinstance(claimed, list) or not claimed:
        raise ValueError("no samples")
    values = [float(value) for value in claimed]
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise ValueError("a time is not a positive number")
    return values
