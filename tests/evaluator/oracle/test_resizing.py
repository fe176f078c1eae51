"""How far up a check in the interpreter goes; the examination is played."""

from typing import Any

import pytest

from evaluator.oracle import resizing
from evaluator.oracle.resizing import check_larger
from evaluator.oracle.sizes import Rung


class Played:
    """Takes seconds for each element, on a clock of its own."""

    def __init__(self, seconds: float) -> None:
        self.now = 0.0
        self.checked: list[str] = []
        self.notes: list[str] = []
        self._seconds = seconds

    def monotonic(self) -> float:
        return self.now

    def check_at(self, name: str, reference: Any) -> None:
        self.checked.append(name)
        self.now += self._seconds * int(name)

    def note(self, text: str) -> None:
        self.notes.append(text)


def climbed(
    monkeypatch: pytest.MonkeyPatch, seconds: float, sizes: tuple[int, ...] = (1000, 4000, 16000, 64000)
) -> Any:
    nothing: Any = None
    played: Any = Played(seconds)
    monkeypatch.setattr(resizing, "time", played)
    check_larger(played, [Rung(str(size), nothing, size) for size in sizes], seconds * 1000)
    return played


def test_a_quick_candidate_is_checked_at_the_largest_sizes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    played = climbed(monkeypatch, 1e-6)
    assert played.checked == ["64000"]
    assert played.notes == ["right at 64000 too"]


def test_one_that_might_grow_slow_comes_there_by_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    played = climbed(monkeypatch, 1e-5)
    assert played.checked == ["16000", "64000"]
    assert played.notes == ["right at 64000 too"]


def test_a_slow_one_comes_as_far_as_it_gets_and_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    too_long = "not checked at larger sizes: the interpreter would take too long"
    played = climbed(monkeypatch, 2e-4)
    assert played.checked == ["4000"]
    assert played.notes == ["right at 4000 too", too_long]
    played = climbed(monkeypatch, 1e-3)
    assert (played.checked, played.notes) == ([], [too_long])


def test_where_there_are_no_larger_sizes_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert climbed(monkeypatch, 1.0, (1000,)).notes == []
    assert climbed(monkeypatch, 1.0, ()).notes == []
