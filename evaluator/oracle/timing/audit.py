"""The audit clock (P12): may a worker's claim be believed, given what the oracle's own clock says?

The oracle fills every slot with inputs that did not exist before, poisons the outputs, and starts its clock; the
worker goes around its ring once and hands the outputs over; the clock stops when the oracle's own copies are finished.
What the command and the copies cost is what they take without forwards, and without the worker (`control.py`). So the
audit is an upper bound of the time that the forwards take: a claim may lie above it, never far below.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, median

# What honest workers need, at most in four sittings together: docs/results/timing-h100.md.
_SHARE = 0.05  # of the claim: the audit's L2 and clocks are not those of the blocks
_LATENCY_MS = 0.15  # starting a graph, waking up, changing contexts

_MORE_SITTINGS = 3  # where the first leaves doubt
_DOUBT = 0.5  # of what is allowed; one sitting is uncertain by half of it


@dataclass(frozen=True)
class Contradiction:
    """What speaks against a worker's claims.

    Args:
        problem: in words.
        forward_ms: of one forward, what it takes at least.
        proven: a lie is the only explanation.
    """

    problem: str
    forward_ms: float
    proven: bool


@dataclass(frozen=True)
class Audit:
    """Milliseconds on the oracle's clock, of commands with and without `forwards` forwards."""

    forwards: int
    empty_ms: tuple[float, ...]
    full_ms: tuple[float, ...]

    def __add__(self, other: "Audit") -> "Audit":
        """Both sittings as one; they have the same ring."""
        return Audit(self.forwards, self.empty_ms + other.empty_ms, self.full_ms + other.full_ms)

    @property
    def forward_ms(self) -> float:
        """One forward as the oracle saw it, the quickest of all audits."""
        return max(0.0, min(self.full_ms) - median(self.empty_ms)) / self.forwards

    @property
    def least_ms(self) -> float:
        """The smallest claim for one forward that this clock does not contradict."""
        return max(0.0, self.forward_ms - _LATENCY_MS / self.forwards) / (1 + _SHARE)

    def doubts(self, claims_ms: Sequence[float]) -> bool:
        """Whether the claims lie so far below the clock that one more sitting might convict."""
        claim = claimed(claims_ms)
        return self.forward_ms - claim > _DOUBT * self._allowed(claim)

    def undercut(self, claims_ms: Sequence[float]) -> str:
        """Empty, or how the claims contradict the clock."""
        claim = claimed(claims_ms)
        allowed = self._allowed(claim)
        if self.forward_ms - claim <= allowed:
            return ""
        return (
            f"it claims {claim:.4g} ms a forward, which took at least {self.forward_ms:.4g} ms on the oracle's clock "
            f"(allowance {allowed:.2g} ms)"
        )

    def _allowed(self, claim_ms: float) -> float:
        """By how much a claim for one forward may lie below `forward_ms`."""
        return claim_ms * _SHARE + _LATENCY_MS / self.forwards


def claimed(claims_ms: Sequence[float]) -> float:
    """What a worker's claims have to be believed as.

    Of what is made of them, medians of rounds and their mean, neither may come from times that nobody took.
    """
    return min(median(claims_ms), mean(claims_ms))


def convict(audit: Audit, claims_ms: Sequence[float], another: Callable[[], Audit]) -> tuple[Audit, str]:
    """All sittings that were needed as one; and empty, or how the claims contradict them.

    Nobody is convicted by one sitting: it may have met a GPU whose clock had not risen yet, or a busy machine. Nor is
    anybody acquitted by one that leaves doubt. Whatever disturbs makes commands longer, so that more of them can only
    bring the bound nearer to the truth.

    Args:
        another: holds one more sitting.
    """
    for _ in range(_MORE_SITTINGS):
        if not audit.doubts(claims_ms):
            break
        audit = audit + another()
    return audit, audit.undercut(claims_ms)
