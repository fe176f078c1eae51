"""Workers that are kept: found, ended, and stopped while others are measured. Their parts are played on the CPU."""

from types import SimpleNamespace
from typing import Any

import pytest

from evaluator.oracle.kept import Kept
from evaluator.oracle.worker import WorkerFailure

from .timing.quiet import Claimant


def kept(*named: tuple[str, str]) -> tuple[Kept, list[Claimant], list[str]]:
    """Of these digests and tasks; with their contestants, and who was ended."""
    keep, contestants, ended = Kept(), [], []
    for digest, task in named:
        contestants.append(Claimant(1.0))
        examination: Any = SimpleNamespace(
            task=SimpleNamespace(digest=task), close=lambda digest=digest: ended.append(digest)
        )
        assert keep.hold(digest, examination, contestants[-1]) is contestants[-1]
    return keep, contestants, ended


def test_a_candidate_is_found_until_it_is_released() -> None:
    keep, (first, second), ended = kept(("a", "t"), ("b", "t"))
    assert (keep.find("a"), keep.find("b"), keep.find("c")) == (first, second, None)
    keep.release_except("b", "t")
    assert (keep.find("a"), keep.find("b"), ended) == (None, second, ["a"])
    keep.release_except("b", "another task")
    assert (keep.find("b"), ended) == (None, ["a", "b"])


def test_all_are_stopped_while_others_are_measured_and_go_on_whatever_happens() -> None:
    keep, contestants, _ = kept(("a", "t"), ("b", "t"))

    def measure() -> None:
        with keep.stopped("b"):
            assert all(each.frozen for each in contestants)
            raise ValueError("measuring failed")

    with pytest.raises(ValueError, match="measuring failed"):
        measure()
    assert not any(each.frozen for each in contestants)


def restless() -> None:
    raise WorkerFailure("failed", "it can't be stopped")


def test_a_candidate_that_does_not_come_to_rest_leaves_no_other_stopped() -> None:
    keep, (first, second), _ = kept(("a", "t"), ("b", "t"))
    second.worker.freeze = restless  # type: ignore[method-assign]
    with pytest.raises(WorkerFailure, match="can't be stopped"), keep.stopped("b"):
        pytest.fail("nothing may be measured beside it")
    assert not first.frozen


def test_another_that_does_not_come_to_rest_is_ended_and_not_charged_to_the_candidate() -> None:
    keep, (first, second), ended = kept(("a", "t"), ("b", "t"))
    first.worker.freeze = restless  # type: ignore[method-assign]
    with keep.stopped("b"):
        assert second.frozen
        assert ended == ["a"]
    assert (keep.find("a"), keep.find("b"), second.frozen) == (None, second, False)
