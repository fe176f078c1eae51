"""Workers of verified candidates that live on, since a later request may name one of them as the incumbent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from evaluator.oracle.correctness import Examination
from evaluator.oracle.timing.contestant import Contestant
from evaluator.oracle.worker import WorkerFailure


@dataclass(frozen=True)
class _Held:
    digest: str
    task: str
    examination: Examination
    contestant: Contestant


class Kept:
    """Those of one oracle, by the digests of candidate and task."""

    def __init__(self) -> None:
        self._held: list[_Held] = []

    def hold(self, digest: str, examination: Examination, contestant: Contestant) -> Contestant:
        """Keep one more."""
        self._held.append(_Held(digest, examination.task.digest, examination, contestant))
        return contestant

    def find(self, digest: str) -> Contestant | None:
        """The candidate with this digest, if it is kept."""
        return next((held.contestant for held in self._held if held.digest == digest), None)

    def release_except(self, digest: str = "", task: str = "") -> None:
        """End all workers but that of `digest`, if it belongs to `task`; without both, all of them."""
        keep = [held for held in self._held if held.digest == digest and held.task == task]
        for held in self._held:
            if held not in keep:
                held.examination.close()
        self._held = keep

    @contextmanager
    def stopped(self, candidate: str) -> Iterator[None]:
        """Stop all of them while others are measured: what they leave running would slow those down.

        One that does not come to rest is ended, which is no fault of the candidate's, unless it is that itself.

        Args:
            candidate: the digest of the one that is judged.

        Raises:
            WorkerFailure: the candidate does not come to rest.
        """
        try:
            for held in tuple(self._held):
                self._stop(held, candidate)
            yield
        finally:
            for held in self._held:
                held.contestant.worker.thaw()

    def _stop(self, held: _Held, candidate: str) -> None:
        try:
            held.contestant.worker.freeze()
        except WorkerFailure:
            if held.digest == candidate:
                raise
            held.examination.close()
            self._held.remove(held)
