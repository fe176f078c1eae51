"""Which failures are the same failure again: whoever repeats a mistake is told so."""

import re
from collections.abc import Iterable

from evaluator.verdict import Status, Verdict
from prompts.context import FailedAttempt, PastAttempt

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_SPACE = re.compile(r"\s+")


def signature(verdict: Verdict) -> tuple[Status, str]:
    """Equal for equal failures: the status, and the reason without numbers (inputs, lines and addresses differ)."""
    return verdict.status, _SPACE.sub(" ", _NUMBER.sub("#", verdict.reason)).strip().lower()


def earlier(failure: FailedAttempt, history: Iterable[PastAttempt]) -> list[tuple[int, PastAttempt]]:
    """The attempts before this failure that had the same code or failed the same way, with their numbers from 1.

    The latest attempt in `history` that is the failure itself does not count.
    """
    numbered = list(enumerate(history, 1))
    itself = next((number for number, each in reversed(numbered) if _is(failure, each)), 0)
    same = signature(failure.verdict)
    return [
        (number, each)
        for number, each in numbered
        if number != itself and (_same_code(failure, each) or signature(each.verdict) == same)
    ]


def _is(failure: FailedAttempt, attempt: PastAttempt) -> bool:
    return attempt.digest == failure.digest and signature(attempt.verdict) == signature(failure.verdict)


def _same_code(failure: FailedAttempt, attempt: PastAttempt) -> bool:
    return bool(failure.digest) and attempt.digest == failure.digest
