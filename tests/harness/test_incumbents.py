"""Profiles are taken once for what was compiled, and again when something else was."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from candidates.store import Store
from evaluator.request import Request
from evaluator.service import Evaluator
from evaluator.verdict import Profile, Verdict
from harness.evaluation import Judge
from harness.incumbents import Incumbents
from tests.harness.recording import API, RecordedEvaluator, Ties, digest, kernel, settings, source, verdict

GRID = "launch__grid_size"


@dataclass
class Profiling(RecordedEvaluator):
    """Its profiles have counters; those of what it is told to refuse don't."""

    requests: list[Request] = field(default_factory=list)

    def profile(self, request: Request, metrics: tuple[str, ...]) -> Profile:
        self.requests.append(request)
        return Profile(source="ncu", kernels={"scale_kernel": dict.fromkeys(metrics, 1.0)})


def of_code(code: str, ms: float = 1.0) -> Verdict:
    return verdict(ms=ms, kernels=(kernel(code=code, grid=(128,), launches=1),))


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    with Store.open("", tmp_path) as store:
        made = Judge(settings(tmp_path), store, cast(Evaluator, Profiling(Ties())), API)
        for number in (1, 2, 3):
            store.put_candidate(source(number))
        store.put_task(made.settings.task)
        yield made


def requests(judge: Judge) -> list[str]:
    return [request.digest for request in cast(Profiling, judge.evaluator).requests]


def incumbents(judge: Judge, *metrics: str) -> Incumbents:
    return Incumbents(judge, metrics or (GRID,), lambda text: None)


def test_the_same_machine_code_has_one_profile_also_in_a_later_run(judge: Judge) -> None:
    first = incumbents(judge).profile(digest(1), of_code("aa"))
    assert incumbents(judge).profile(digest(2), of_code("aa", ms=1.01)) == first
    assert incumbents(judge).profile(digest(2), of_code("aa")) == first
    assert requests(judge) == [digest(1)]
    assert incumbents(judge).profile(digest(3), of_code("bb")).compiled != first.compiled
    assert requests(judge) == [digest(1), digest(3)]


def test_code_that_tuning_has_changed_is_profiled_anew(judge: Judge) -> None:
    seen = incumbents(judge)
    seen.profile(digest(1), of_code("aa"))
    seen.profile(digest(1), of_code("bb"))
    seen.profile(digest(1), of_code("bb"))
    assert requests(judge) == [digest(1), digest(1)]


def test_a_metric_that_was_not_asked_for_then_is_asked_for_now(judge: Judge) -> None:
    incumbents(judge).profile(digest(1), of_code("aa"))
    more = incumbents(judge, GRID, "launch__registers_per_thread").profile(digest(2), of_code("aa"))
    assert set(more.kernels["scale_kernel"]) == {GRID, "launch__registers_per_thread"}


def test_code_that_is_not_known_is_profiled_for_its_source(judge: Judge) -> None:
    incumbents(judge).profile(digest(1), of_code(""))
    incumbents(judge).profile(digest(2), of_code(""))
    incumbents(judge).profile(digest(2), of_code(""))
    assert requests(judge) == [digest(1), digest(2)]


def test_the_profiler_is_told_what_was_launched(judge: Judge) -> None:
    incumbents(judge).profile(digest(1), of_code("aa"))
    (request,) = cast(Profiling, judge.evaluator).requests
    assert request.kernels == ("scale_kernel",)
