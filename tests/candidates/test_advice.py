"""kernelguard's opinion is advice, and never more."""

import pytest

from candidates import advice
from candidates.advice import Opinion
from candidates.static_rules import Finding
from tests.candidates.modules import module

PATCHED = module("torch.cuda.Event.elapsed_time = lambda self, other: 0.001\n")
needed = pytest.mark.skipif(not advice.available(), reason="kernelguard is not installed")


def findings_of(source: str) -> tuple[Finding, ...]:
    with Opinion(source) as opinion:
        return opinion.findings()


@needed
def test_a_known_cheat_is_named_as_advice() -> None:
    findings = findings_of(PATCHED)
    assert any("TIMER" in finding.rule.upper() for finding in findings)
    assert {finding.severity for finding in findings} == {"advice"}
    assert all(finding.message and finding.remedy for finding in findings)
    assert len(set(findings)) == len(findings)


def test_a_clean_candidate_gets_none() -> None:
    assert findings_of(module()) == ()


@pytest.mark.parametrize("source", ["", "def f(:\n", "\x00", "\ud7ff" * 10, "x = " + "(" * 5000])
def test_text_that_is_no_module_is_no_failure(source: str) -> None:
    assert all(finding.severity == "advice" for finding in findings_of(source))


@needed
def test_an_opinion_that_takes_too_long_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "SECONDS", 0.0)
    assert findings_of(PATCHED) == ()
