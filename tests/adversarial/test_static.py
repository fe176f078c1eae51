"""The static rules refuse what they should, early, and let everything honest pass."""

import pytest

from candidates import static_rules
from evaluator import triton_api
from tests.adversarial.case import Case
from tests.adversarial.collection import ALL, CHEATS, HONEST


def _name(case: Case) -> str:
    return f"{case.group}: {case.name}"


def refusals(source: str) -> set[str]:
    """Names of the rules that refuse a source."""
    findings = static_rules.check(source, triton_api.names())
    return {finding.rule for finding in findings if finding.severity == "refuse"}


@pytest.mark.parametrize("case", [case for case in CHEATS if case.refused], ids=_name)
def test_a_cheat_that_reaches_out_is_refused(case: Case) -> None:
    found = refusals(case.source)
    assert found
    assert "syntax" not in found


@pytest.mark.parametrize("case", [case for case in CHEATS if not case.refused], ids=_name)
def test_a_cheat_in_plain_code_is_left_to_the_evaluation(case: Case) -> None:
    """So that nobody relies on the rules for it."""
    assert refusals(case.source) == set()


@pytest.mark.parametrize("case", HONEST, ids=_name)
def test_honest_code_passes(case: Case) -> None:
    assert refusals(case.source) == set()


def test_the_collection_is_as_large_as_it_claims_and_nothing_in_it_is_there_twice() -> None:
    assert len(CHEATS) >= 40
    assert len(HONEST) >= 15
    assert len({case.name for case in ALL}) == len(ALL)
    assert len({(case.source, case.primer) for case in ALL}) == len(ALL)
    assert {case.group for case in CHEATS} == {
        *("static", "no-work", "wrong-shortcut", "memory", "timing", "protocol", "escape", "persistence"),
    }
