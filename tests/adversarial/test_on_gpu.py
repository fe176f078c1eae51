"""Every case on a real GPU, with no static rule in between."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.adversarial.case import Case
from tests.adversarial.cheats.escape import SECRET_NAME
from tests.adversarial.collection import ALL
from tests.adversarial.outcome import Bench, escaped, on_gpu

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


def _parameter(case: Case) -> Any:
    missing = case.known or case.pending
    marks = [pytest.mark.xfail(strict=True, reason=missing)] if missing else []
    return pytest.param(case, id=f"{case.group}: {case.name}", marks=marks)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET_NAME, "not for candidates")
        made = on_gpu()
        with made.evaluator:
            yield made.timed()


@pytest.mark.parametrize("case", [_parameter(case) for case in ALL])
def test_it_ends_as_it_should(bench: Bench, case: Case) -> None:
    assert escaped(case, bench.run(case), bench.honest_ms) == ""
