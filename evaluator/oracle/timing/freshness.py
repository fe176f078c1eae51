"""Does a forward take longer on inputs that it meets for the first time than where its claims come from?

Blocks replay the same inputs, so that a kernel which remembers them can leave out what it did before and be right all
the same. Both times come from one stopwatch: that of the forwards that count, and that of the same forwards over a ring
that was filled anew. So they are compared much more closely than either can be with the oracle's clock.
"""

from collections.abc import Callable, Sequence

from evaluator.oracle.timing.audit import claimed

# What honest workers need: docs/results/timing-h100.md and timing-h200.md.
_SHARE = 0.02
_LATENCY_MS = 0.01  # of a way around the ring: the first launch after others had the GPU

_MOST = 8  # tries in a row that have to agree


def allowance(claim_ms: float, slots: int) -> float:
    """Milliseconds by which a claim for one forward may lie below what it takes on fresh inputs.

    Args:
        slots: of the ring, if ways around it were timed; 0 for single forwards.
    """
    return claim_ms * _SHARE + (_LATENCY_MS / slots if slots else 0.0)


def slower(claims_ms: Sequence[float], fresh_ms: list[float], slots: int, another: Callable[[], float]) -> str:
    """Empty, or how the claims contradict what forwards take on fresh inputs.

    Whatever disturbs makes forwards longer: a single quick one acquits.

    Args:
        fresh_ms: of a forward on fresh inputs, by try, one at least; those that are made here are added to it.
        slots: as for `allowance`.
        another: makes one more try.
    """
    claim = claimed(claims_ms)
    allowed = allowance(claim, slots)
    while min(fresh_ms) - claim > allowed and len(fresh_ms) < _MOST:
        fresh_ms.append(another())
    if min(fresh_ms) - claim <= allowed:
        return ""
    return (
        f"it claims {claim:.4g} ms a forward, which takes at least {min(fresh_ms):.4g} ms on inputs that it meets for "
        f"the first time (allowance {allowed:.2g} ms)"
    )
