"""Rounds of blocks, A B B A: drift that is linear within a round cancels. Who does not run is frozen."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from statistics import median

from evaluator.oracle.charges import Mismatch, Violation
from evaluator.oracle.timing.canary import Canary, Disturbance
from evaluator.oracle.timing.contestant import Contestant
from evaluator.oracle.timing.ring import SHORT_MS
from evaluator.oracle.timing.sequential import FEWEST
from evaluator.oracle.worker import WorkerFailure
from evaluator.request import Timer

_OVERHEAD_MS = 0.2  # flush and head start before each timed stretch
_MOST_REPEATS = 100
_MOST_VOID = 8  # rounds in a row: what somebody outside does would follow the candidate each time in one case of 256
_UNSTEADY = 0.01  # an H100's rounds differ by 0.1 %, beside other work some by up to 85 %: docs/results/timing-h100.md


class IncumbentFailure(Exception):
    """The incumbent's worker failed: no fault of the candidate's."""


@dataclass
class Rounds:
    """What one pair of workers yielded so far."""

    around: bool  # whether ways around the ring were timed, or single forwards
    log_ratios: list[float] = field(default_factory=list)
    ours_ms: list[float] = field(default_factory=list)
    theirs_ms: list[float] = field(default_factory=list)
    void: list[str] = field(default_factory=list)  # whom the canary followed
    dropped: list[str] = field(default_factory=list)  # whose blocks of a round contradicted each other

    @property
    def may_drop(self) -> bool:
        """A quarter of the rounds, and the first: a kernel that never takes the same time has to be measured too."""
        return len(self.dropped) <= len(self.log_ratios) // 4


class Interleaving:
    """Two workers taking turns. Both must be prepared; use it as a context: both run on when it ends."""

    def __init__(self, candidate: Contestant, incumbent: Contestant, timer: Timer, canary: Canary) -> None:
        self._candidate = candidate
        self._incumbent = incumbent
        self._canary = canary
        self._ran = ""  # who was stopped last
        longest = max((candidate, incumbent), key=lambda each: each.forward_ms)
        self.around = min(candidate.forward_ms, incumbent.forward_ms) < SHORT_MS
        self.rounds = Rounds(self.around)
        self._repeats = repeats(longest.stretch_ms(self.around), timer)

    def __enter__(self) -> "Interleaving":
        for contestant in (self._candidate, self._incumbent):
            self._stop(contestant)
        return self

    def __exit__(self, *exception: object) -> None:
        for contestant in (self._candidate, self._incumbent):
            contestant.worker.thaw()

    def take(self, count: int) -> None:
        """Add rounds until there are `count`; a round with a slow canary in it, or an unsteady one, is taken again.

        Raises:
            IncumbentFailure: the incumbent's worker failed or claimed impossible times.
            WorkerFailure, ValueError: the candidate's did.
            Disturbance: the GPU would not come to rest.
        """
        void = 0
        while len(self.rounds.log_ratios) < count:
            if not self._canary.calm():
                raise Disturbance("")
            void = 0 if self._round() else void + 1
            if void == _MOST_VOID:
                stopped = set(self.rounds.void[-_MOST_VOID:])
                raise Disturbance(stopped.pop() if len(stopped) == 1 else "")

    def _round(self) -> bool:
        """Candidate, incumbent, incumbent, candidate; False if the round is void."""
        ours: list[list[float]] = []
        theirs: list[list[float]] = []
        for runs in (self._candidate, self._incumbent, self._incumbent, self._candidate):
            if self._canary.slow():
                self.rounds.void.append(self._ran)
                return False
            (ours if runs is self._candidate else theirs).append(self._block(runs))
        whose = unsteady(ours, theirs)
        if whose and self.rounds.may_drop:
            self.rounds.dropped.append(whose)
            return True
        self.rounds.ours_ms += chain.from_iterable(ours)
        self.rounds.theirs_ms += chain.from_iterable(theirs)
        mine, other = (median(chain.from_iterable(blocks)) for blocks in (ours, theirs))
        self.rounds.log_ratios.append(math.log(mine / other))
        return True

    def _block(self, runs: Contestant) -> list[float]:
        """One block of the worker that runs; it is stopped before and after."""
        with blame(runs is self._incumbent):
            runs.worker.thaw()
            try:
                return runs.block(self.around, self._repeats)
            finally:
                self._stop(runs)

    def _stop(self, contestant: Contestant) -> None:
        self._ran = "incumbent" if contestant is self._incumbent else "candidate"
        contestant.worker.freeze()


def unsteady(ours: list[list[float]], theirs: list[list[float]]) -> str:
    """Whose two blocks of one round differ by more than a clock drifts; empty if nobody's do.

    Something else ran meanwhile. Neither side is looked at in the light of the other, so that dropping such a round
    favours nobody.
    """
    for who, blocks in (("candidate", ours), ("incumbent", theirs)):
        first, last = map(median, blocks)
        if abs(math.log(first / last)) > _UNSTEADY:
            return who
    return ""


def repeats(stretch_ms: float, timer: Timer) -> int:
    """How often to time a stretch in one block, so that it takes as long as the timer asks for.

    Twice at least, so that one of them may be late; but not where a second would be paid for with rounds: by Student's
    t the bound of three rounds is six standard deviations away, that of five less than three.
    """
    fewest = 2 if _rounds(2 * stretch_ms, timer) >= timer.rounds else 1
    return max(fewest, min(_MOST_REPEATS, int(timer.block_ms / (stretch_ms + _OVERHEAD_MS))))


def affordable(stretch_ms: float, timer: Timer) -> int:
    """Rounds that the timer asks for, as far as they fit into its GPU seconds."""
    return max(FEWEST, min(timer.rounds, _rounds(repeats(stretch_ms, timer) * stretch_ms, timer)))


def _rounds(block_ms: float, timer: Timer) -> int:
    """How many rounds of four such blocks fit."""
    return int(timer.max_seconds * 1e3 / (4 * block_ms))


@contextmanager
def blame(incumbent: bool) -> Iterator[None]:
    """Turn a failure into the incumbent's if it is."""
    try:
        yield
    except (WorkerFailure, Mismatch, Violation, ValueError) as error:
        if incumbent:
            raise IncumbentFailure(str(error)) from error
        raise


@contextmanager
def turn(runs: Contestant, waits: Contestant, incumbent: Contestant) -> Iterator[None]:
    """Stop one of a pair while the other is made ready or audited; a failure is that one's whose it is."""
    with blame(waits is incumbent):
        waits.worker.freeze()
    try:
        with blame(runs is incumbent):
            yield
    finally:
        waits.worker.thaw()
