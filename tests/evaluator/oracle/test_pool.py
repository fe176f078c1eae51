"""Workers that wait: started ahead, stopped while others are measured. Their parts are played on the CPU."""

from contextlib import suppress
from typing import Any

from evaluator.oracle.worker import Pool, WorkerFailure


class Waiting:
    """A worker of which only is known whether it goes on."""

    def __init__(self, starts: bool = True) -> None:
        self.goes_on = True
        self._starts = starts

    def freeze(self) -> None:
        self.goes_on = False

    def thaw(self) -> None:
        self.goes_on = True

    def kill(self) -> None:
        self.goes_on = False

    def wait_ready(self) -> None:
        assert self.goes_on, "it would never be ready"
        if not self._starts:
            raise WorkerFailure("crashed", "it could not start")


class Started(Pool):
    """A pool of such workers; keeps all that were ever started."""

    def __init__(self, size: int, starts: bool = True) -> None:
        nothing: Any = None
        super().__init__("device", nothing, nothing, size)
        self.all: list[Waiting] = []
        self._starts = starts

    def new(self) -> Any:
        self.all.append(Waiting(self._starts))
        return self.all[-1]


def test_whoever_is_taken_is_replaced_but_not_while_others_are_measured() -> None:
    pool = Started(2)
    pool.fill()
    first: Any = pool.take()
    assert (first, len(pool.all)) == (pool.all[0], 3)
    with pool.quiet():
        second: Any = pool.take()
        assert [worker.goes_on for worker in pool.all] == [True, True, False]
        assert (second, len(pool.all)) == (pool.all[1], 3)
    assert [worker.goes_on for worker in pool.all] == [True] * 4


def test_a_pair_starts_at_once_in_the_quiet_and_nobody_else_does() -> None:
    pool = Started(2)
    pool.fill()
    with pool.quiet():
        for started in (2, 4):  # the second time none waits any more
            with pool.starting(2):
                assert [worker.goes_on for worker in pool.all] == [True] * started
                pool.take()
                pool.take()
        assert len(pool.all) == 4
    assert len(pool.all) == 6


def test_who_was_not_taken_in_the_end_is_still_again() -> None:
    pool = Started(2, starts=False)
    with pool.quiet():
        with suppress(WorkerFailure), pool.starting(2):
            pool.take()
        assert [worker.goes_on for worker in pool.all] == [False, False], "one was killed, the other waits"
