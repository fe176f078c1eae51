"""Every case that shows without a GPU, against the real oracle and the real sandbox, with no static rule in between."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.adversarial.case import Case
from tests.adversarial.cheats.escape import SECRET_NAME
from tests.adversarial.collection import ALL
from tests.adversarial.outcome import Bench, escaped, without_gpu

SHOWN = [case for case in ALL if case.shows == "cpu"]
HIDDEN = [case for case in ALL if case.shows == "gpu"]


def _parameter(case: Case) -> Any:
    missing = case.known or case.pending
    marks = [pytest.mark.xfail(strict=True, reason=missing)] if missing else []
    return pytest.param(case, id=f"{case.group}: {case.name}", marks=marks)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET_NAME, "not for candidates")
        made = without_gpu()
        with made.evaluator:
            yield made


@pytest.mark.parametrize("case", [_parameter(case) for case in SHOWN])
def test_it_ends_as_it_should(bench: Bench, case: Case) -> None:
    assert escaped(case, bench.run(case), bench.honest_ms) == ""


@pytest.mark.parametrize("case", HIDDEN, ids=lambda case: f"{case.group}: {case.name}")
def test_it_needs_a_gpu(case: Case) -> None:
    pytest.skip(f"only a GPU can show '{case.name}' ({case.caught_by}); see test_on_gpu.py")
