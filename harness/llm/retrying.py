"""When a failed request is sent again, and how long to wait before."""

import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

# 408 and 409: the server gave up waiting, or asks to come again; 429: too many requests.
PASSING_STATUS = frozenset({408, 409, 429})


@dataclass(frozen=True)
class Patience:
    """How long to wait between attempts, in seconds.

    A server's Retry-After is kept to, plus a little jitter; one that asks for more than `longest_s` is not asked again.
    """

    first_s: float = 1.0
    most_s: float = 30.0
    longest_s: float = 120.0


class PassingFailure(Exception):
    """A failure that may be over at the next attempt.

    Args:
        problem: one sentence for people, without secrets.
        remedy: what to do if it does not pass.
        wait_s: how long the server asked to wait, None if it did not say.
        answered: True if the server may have written, and billed, an answer that was lost.
        busy: True if the server gets too many requests.
    """

    def __init__(
        self,
        problem: str,
        remedy: str = "",
        wait_s: float | None = None,
        *,
        answered: bool = False,
        busy: bool = False,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.wait_s = wait_s
        self.answered = answered
        self.busy = busy


def is_passing(status: int) -> bool:
    """True for the HTTP status codes after which the same request may well succeed."""
    return status in PASSING_STATUS or status >= 500


def retry_after_s(header: str | None, now: float | None = None) -> float | None:
    """Seconds to wait that a Retry-After header asks for; None if it says nothing.

    The header holds seconds or an HTTP date (RFC 9110, 10.2.3). `now` is in seconds since the epoch.
    """
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        pass
    else:
        return seconds if 0 <= seconds < float("inf") else None
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:  # an HTTP date is in GMT, whether it says so or not
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - (time.time() if now is None else now))


def retrying(attempts: int, patience: Patience) -> AsyncRetrying:
    """Tenacity's loop over `PassingFailure`, which raises the last one when the attempts are used up."""
    backoff = wait_exponential(multiplier=patience.first_s, max=patience.most_s) + wait_random(0, patience.first_s)

    def wait_s(state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, PassingFailure) and failure.wait_s is not None:
            return failure.wait_s + 0.1 * patience.first_s
        return backoff(state)

    return AsyncRetrying(
        stop=stop_after_attempt(max(1, attempts)),
        wait=wait_s,
        retry=retry_if_exception_type(PassingFailure),
        reraise=True,
    )
