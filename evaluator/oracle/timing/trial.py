"""From two workers to times and a gain: nominate, get fresh pairs if luck leaves it open, confirm afresh."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median

from evaluator.oracle.charges import Violation
from evaluator.oracle.statistics import summarise
from evaluator.oracle.timing import placement
from evaluator.oracle.timing.audit import claimed
from evaluator.oracle.timing.canary import Canary
from evaluator.oracle.timing.clocks import Clocks
from evaluator.oracle.timing.contestant import Contestant
from evaluator.oracle.timing.interleaving import Interleaving, Rounds, affordable, repeats, turn
from evaluator.oracle.timing.ring import SHORT_MS
from evaluator.oracle.timing.sequential import Bounds, Rule, Word, assess, fixed
from evaluator.oracle.timing.serial import Series, compare
from evaluator.oracle.worker import WorkerFailure
from evaluator.request import Timer
from evaluator.verdict import Gain, Timing

Pair = tuple[Contestant, Contestant]
FreshPair = Callable[[], AbstractContextManager[Pair]]
Notes = tuple[str, ...]

LUCK = 0.002  # placement noise beyond which a nomination may take fresh pairs of workers
CONFIRMING = 8  # rounds at least
_COARSE = 0.5  # of a claim: a clock that admits less than so much is said to prove little


@dataclass(frozen=True)
class Outcome:
    """Times of the candidate, and what it gained; `gain` is None where it ran alone."""

    time: Timing
    gain: Gain | None
    notes: tuple[str, ...]


class Trial:
    """Measures candidates. Keeps the canary for its lifetime."""

    def __init__(self, timer: Timer, uuid: str = "", canary: Canary | None = None) -> None:
        self._timer = timer
        self._uuid = uuid
        self._canary = canary or Canary()
        self._placement = timer.placement or placement.DEFAULT

    def alone(self, contestant: Contestant) -> Outcome:
        """Times of one worker by itself.

        Raises:
            WorkerFailure, Mismatch: the worker failed, or an output of a timed iteration was wrong.
            ValueError: it claimed impossible times.
            Violation: its claims contradict the oracle's clock.
            Disturbance: the GPU would not come to rest.
        """
        contestant.prepare()
        self._canary.hatch()
        contestant.take_audit()
        around = contestant.forward_ms < SHORT_MS
        times = repeats(contestant.stretch_ms(around), self._timer)
        blocks = 2 * affordable(contestant.stretch_ms(around), self._timer)
        samples = [sample for _ in range(blocks) for sample in contestant.block(around, times)]
        factor, notes = _believe(contestant, samples, around)
        return Outcome(self.timing([sample * factor for sample in samples]), None, notes)

    def series(self, contestant: Contestant) -> Series:
        """Blocks of one worker by itself, for a comparison with others that can't be there at the same time.

        Raises:
            WorkerFailure, Mismatch, ValueError, Violation, Disturbance: as for `alone`.
        """
        contestant.prepare()
        if contestant.audit is None:
            self._canary.hatch()
            contestant.take_audit()
        around = contestant.forward_ms < SHORT_MS
        stretch_ms = contestant.stretch_ms(around)
        canary_ms = self._canary.hatch()
        times = repeats(stretch_ms, self._timer)
        blocks = [contestant.block(around, times) for _ in range(affordable(stretch_ms, self._timer))]
        factor, _ = _believe(contestant, [sample for block in blocks for sample in block], around)
        return Series(tuple(tuple(sample * factor for sample in block) for block in blocks), canary_ms)

    def compare(self, first: Series, theirs: Series, again: Series, incumbent: str) -> Outcome:
        """Times and gain from series that were taken one after the other."""
        luck = placement.placement(min(first.samples_ms), self._placement)
        gain, note = compare(first, theirs, again, incumbent, luck)
        return Outcome(self.timing([*first.samples_ms, *again.samples_ms], 2), gain, (note,))

    def timing(self, samples_ms: list[float], workers: int = 1) -> Timing:
        """The time that samples from so many workers show."""
        return placement.timing(samples_ms, self._placement, workers)

    def against(
        self, candidate: Contestant, incumbent: Contestant, digest: str, min_gain: float, fresh: FreshPair
    ) -> Outcome:
        """Times of the candidate, and its gain over the incumbent, whose digest is `digest`.

        Args:
            fresh: gives another pair of workers of the same two, for as long as its context lasts.

        Raises:
            IncumbentFailure: the incumbent's worker failed, or its claims contradict the oracle's clock.
            Disturbance: the GPU would not come to rest.
            WorkerFailure, Mismatch, ValueError, Violation: as for `alone`.
        """
        clocks = Clocks(self._uuid)
        self._canary.hatch()
        self._ready(candidate, incumbent)
        clocks.look()
        rule = self._rule(candidate, incumbent, min_gain)
        word, found, taken = self._nominate((candidate, incumbent), rule, fresh)
        factor, remarks = _trust((candidate, incumbent), taken[0])
        clocks.look()
        notes = [note] if (note := clocks.note()) else []
        if confirmed := word == "accept":
            count = min(max(CONFIRMING, len(taken[-1].log_ratios)), rule.looks[-1])
            rounds, factor, remarks = self._confirm((candidate, incumbent), fresh, count, notes)
            found, taken = fixed([rounds.log_ratios], rule.placement), [rounds]
        notes += [*remarks, *_voided(taken)]
        theirs = summarise([sample for rounds in taken for sample in rounds.theirs_ms])
        ours = self.timing([sample * factor for rounds in taken for sample in rounds.ours_ms], len(taken))
        gain = _scaled(found, factor).gain(
            digest, theirs.median_ms, sum(len(rounds.log_ratios) for rounds in taken), len(taken), confirmed
        )
        return Outcome(ours, gain, tuple(notes))

    def _nominate(self, pair: Pair, rule: Rule, fresh: FreshPair) -> tuple[Word, Bounds, list[Rounds]]:
        most = self._timer.pairs if rule.placement > LUCK else 1
        with Interleaving(*pair, self._timer, self._canary) as session:
            taken = [session.rounds]
            word, found = self._look(session, taken, rule, most)
        while word == "undecided":
            with fresh() as another:
                with self._begin(another) as session:
                    taken.append(session.rounds)
                    word, found = self._look(session, taken, rule, most)
                _trust(another, session.rounds)
        return word, found, taken

    def _look(self, session: Interleaving, taken: list[Rounds], rule: Rule, most: int) -> tuple[Word, Bounds]:
        """Take rounds of the last pair until the rule has heard enough of it."""
        looks = iter(rule.looks)
        while True:
            session.take(next(looks))
            word, found = assess([rounds.log_ratios for rounds in taken], rule, most)
            if word != "more":
                return word, found

    def _confirm(self, pair: Pair, fresh: FreshPair, count: int, notes: list[str]) -> tuple[Rounds, float, Notes]:
        """Rounds that had no part in the nomination, of a fresh pair: where its memory lies is luck of its own.

        Also what `_trust` says of that pair.
        """
        try:
            with fresh() as another:
                with self._begin(another) as session:
                    session.take(count)
                return session.rounds, *_trust(another, session.rounds)
        except WorkerFailure as error:
            notes.append(f"confirmed by the same pair of workers, since a fresh one failed: {error}")
        with Interleaving(*pair, self._timer, self._canary) as session:
            session.take(count)
        return session.rounds, *_trust(pair, session.rounds)

    def _begin(self, pair: Pair) -> Interleaving:
        self._ready(*pair)
        return Interleaving(*pair, self._timer, self._canary)

    def _ready(self, candidate: Contestant, incumbent: Contestant) -> None:
        for runs, waits in ((candidate, incumbent), (incumbent, candidate)):
            with turn(runs, waits, incumbent):
                runs.prepare()
                if runs.audit is None:
                    runs.take_audit()

    def _rule(self, candidate: Contestant, incumbent: Contestant, min_gain: float) -> Rule:
        shorter = min(candidate.forward_ms, incumbent.forward_ms)
        longer = max((candidate, incumbent), key=lambda each: each.forward_ms)
        rounds = affordable(longer.stretch_ms(shorter < SHORT_MS), self._timer)
        return Rule(min_gain, rounds, placement.placement(shorter, self._placement))


def _trust(pair: Pair, rounds: Rounds) -> tuple[float, Notes]:
    """What `_believe` says of the candidate in these rounds; the incumbent has to be believed as well.

    Each pair has to be: a worker that was honest where it was nominated may lie where it is confirmed.
    """
    candidate, incumbent = pair
    with turn(incumbent, candidate, incumbent):
        _believe(incumbent, rounds.theirs_ms, rounds.around)
    with turn(candidate, incumbent, incumbent):
        return _believe(candidate, rounds.ours_ms, rounds.around)


def _believe(contestant: Contestant, claims_ms: Sequence[float], around: bool) -> tuple[float, Notes]:
    """By what factor to correct a worker's claims, and what to say about how they came about.

    Raises:
        Violation: the claims contradict the oracle's clock, or spot checks, and are proved to be lies.
        WorkerFailure, Mismatch, ValueError, Disturbance: another sitting of the audit, or a spot check, failed.
    """
    contradiction = contestant.undercut(claims_ms, around)
    assert contestant.audit is not None
    notes = []
    if contestant.not_captured:
        notes.append(f"not captured as a graph ({contestant.not_captured}): forwards were enqueued one by one")
    if contestant.forward_ms < SHORT_MS and not contestant.cold:
        notes.append("inputs and outputs are so small that they stay in the L2")
    if contradiction is None:
        if (least_ms := contestant.audit.least_ms) < _COARSE * claimed(claims_ms):
            notes.append(
                f"the oracle's clock is coarse here: it would have admitted a claim of {least_ms:.2g} ms, "
                "so that the time is the worker's word"
            )
        return 1.0, tuple(notes)
    if contradiction.proven:
        raise Violation(contradiction.problem)
    factor = contradiction.forward_ms / median(claims_ms)
    return factor, (*notes, f"its time is {contradiction.forward_ms:.4g} ms a forward, since {contradiction.problem}")


def _scaled(found: Bounds, factor: float) -> Bounds:
    if factor == 1.0:
        return found
    shift = math.log(factor)
    moved = (1 - math.exp(math.log(1 - value) + shift) for value in (found.estimate, found.low, found.high))
    return Bounds(*moved)


def _voided(taken: list[Rounds]) -> Iterator[str]:
    for who in ("candidate", "incumbent"):
        count = sum(rounds.void.count(who) for rounds in taken)
        if count:
            yield f"{count} rounds were void: the canary kernel was slow after the {who} had been stopped to wait"
        if dropped := sum(rounds.dropped.count(who) for rounds in taken):
            yield f"{dropped} rounds were dropped: the {who} took more than 1 % longer in one block than in the other"
