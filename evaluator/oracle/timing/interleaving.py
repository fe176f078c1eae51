"""Rounds of blocks, A B B A: drift that is linear within a round cancels. Who does not run is frozen."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

from evaluator.oracle.correctness import Violation
from evaluator.oracle.exchange import Mismatch
from evaluator.oracle.timing.canary import Canary
from evaluator.oracle.timing.contestant import SHORT_MS, Contestant
from evaluator.oracle.worker import WorkerFailure
from evaluator.request import Timer

Answer = TypeVar("Answer")

_OVERHEAD_MS = 0.2  # flush and head start before each timed stretch
_MOST_REPEATS = 100
_MOST_VOID = 4  # rounds in a row


class IncumbentFailure(Exception):
    """The incumbent's worker failed: no fault of the candidate's."""


class Disturbance(Exception):
    """The GPU would not come to rest. `by` is the worker that should have been waiting, or empty if it was nobody's."""

    def __init__(self, by: str) -> None:
        whose = f"while the {by} was waiting" if by else "whoever was waiting"
        super().__init__(f"the canary kernel was slow {whose}, {_MOST_VOID} rounds in a row")
        self.by = by


@dataclass
class Rounds:
    """What one pair of workers yielded so far."""

    log_ratios: list[float] = field(default_factory=list)
    ours_ms: list[float] = field(default_factory=list)
    theirs_ms: list[float] = field(default_factory=list)
    void: list[str] = field(default_factory=list)  # who was waiting


class Interleaving:
    """Two workers taking turns. Both must be prepared; use it as a context: both run on when it ends."""

    def __init__(self, candidate: Contestant, incumbent: Contestant, timer: Timer, canary: Canary) -> None:
        self._names = {id(candidate): "candidate", id(incumbent): "incumbent"}
        self._candidate = candidate
        self._incumbent = incumbent
        self._canary = canary
        self._frozen: Contestant | None = None
        self.rounds = Rounds()
        longest = max((candidate, incumbent), key=lambda each: each.forward_ms)
        self.around = min(candidate.forward_ms, incumbent.forward_ms) < SHORT_MS
        self._repeats = repeats(longest, timer, self.around)

    def __enter__(self) -> "Interleaving":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._frozen is not None:
            self._frozen.worker.thaw()
            self._frozen = None

    def take(self, count: int) -> None:
        """Add rounds until there are `count`; a round with a slow canary in it is taken again.

        Raises:
            IncumbentFailure: the incumbent's worker failed or claimed impossible times.
            WorkerFailure, ValueError: the candidate's did.
            Disturbance: the GPU would not come to rest.
        """
        void = 0
        while len(self.rounds.log_ratios) < count:
            void = 0 if self._round() else void + 1
            if void == _MOST_VOID:
                waiting = set(self.rounds.void[-_MOST_VOID:])
                raise Disturbance(waiting.pop() if len(waiting) == 1 else "")

    def _round(self) -> bool:
        ours: list[float] = []
        theirs: list[float] = []
        for runs, waits in self._order():
            samples = self._block(runs, waits)
            if samples is None:
                self.rounds.void.append(self._names[id(waits)])
                return False
            (ours if runs is self._candidate else theirs).extend(samples)
        self.rounds.log_ratios.append(math.log(median(ours) / median(theirs)))
        self.rounds.ours_ms += ours
        self.rounds.theirs_ms += theirs
        return True

    def _order(self) -> Iterator[tuple[Contestant, Contestant]]:
        a, b = self._candidate, self._incumbent
        return iter(((a, b), (b, a), (b, a), (a, b)))

    def _block(self, runs: Contestant, waits: Contestant) -> list[float] | None:
        """Samples of one block; None if the canary was slow before it."""
        with blame(runs is self._incumbent):
            self._stop(waits)
            if self._canary.slow():
                return None
            return runs.block(self.around, self._repeats)

    def _stop(self, waits: Contestant) -> None:
        if self._frozen is waits:
            return
        if self._frozen is not None:
            self._frozen.worker.thaw()
            self._frozen = None
        waits.worker.freeze()
        self._frozen = waits


def repeats(contestant: Contestant, timer: Timer, around: bool) -> int:
    """How often to measure in one block, so that it takes as long as the timer asks for."""
    each = contestant.forward_ms * (contestant.slots if around else 1) + _OVERHEAD_MS
    return max(2, min(_MOST_REPEATS, int(timer.block_ms / each)))


@contextmanager
def blame(incumbent: bool) -> Iterator[None]:
    """Turn a failure into the incumbent's if it is."""
    try:
        yield
    except (WorkerFailure, Mismatch, Violation, ValueError) as error:
        if incumbent:
            raise IncumbentFailure(str(error)) from error
        raise


def blamed(incumbent: bool, act: Callable[[], Answer]) -> Answer:
    """As `blame`, for one call."""
    with blame(incumbent):
        return act()
