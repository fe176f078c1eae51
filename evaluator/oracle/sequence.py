"""What a candidate may not do with inputs and outputs over time: answer from memory, or give the same memory twice."""

import torch

from evaluator.oracle.charges import Violation
from evaluator.oracle.correctness import Examination
from evaluator.oracle.draws import fresh_seed
from evaluator.tasks import Tolerance

_SLACK = 10.0  # staleness is another draw's values, far beyond what repeating a computation changes
_LAST_PLACES = 8.0
_MOVABLE = 1 << 30  # bytes of inputs; what is lent is taken back with the worker only
_SLICE = 1 << 25  # elements


def check_staleness(examination: Examination, timeout_s: float) -> None:
    """After a check, give the first draw's inputs again, elsewhere in memory; then others; then ask for the first.

    So an answer that is looked up by address, or by anything but the content of the inputs, shows, and so does an
    output that lies in memory which the next call writes to.

    Raises:
        Violation: the candidate does that.
        WorkerFailure: it failed.
    """
    judged, exchange, task = examination.judged, examination.exchange, examination.task
    if judged is None:
        return
    if exchange.input_bytes <= _MOVABLE:
        exchange.move_inputs()
    exchange.fill(judged.seed)
    exchange.forward(0, timeout_s, hold=True)
    first = exchange.take()
    has_state = any(True for _ in judged.model.buffers())  # it may rightly answer otherwise the second time
    if not has_state and not alike(first, judged.outputs, task.tolerance, _SLACK):
        raise Violation(
            "the same inputs at another address gave another output: what forward returns depends on something other "
            "than its inputs"
        )
    exchange.fill(fresh_seed())
    exchange.forward(1, timeout_s)
    exchange.deliver_again(timeout_s)
    if task.aliasing == "forbidden" and not _identical(first, exchange.take()):
        raise Violation(
            "an output changed when forward was called again: outputs of different calls share memory; allocate the "
            "output in forward"
        )


def alike(got: list[torch.Tensor], expected: list[torch.Tensor], tolerance: Tolerance, slack: float = 1.0) -> bool:
    """True if two sets of outputs are the same but for `slack` times the tolerance and a few last places."""
    return all(_alike(one, other, tolerance, slack) for one, other in zip(got, expected, strict=True))


def _alike(got: torch.Tensor, expected: torch.Tensor, tolerance: Tolerance, slack: float) -> bool:
    if not expected.is_floating_point():
        return bool(torch.equal(got, expected))
    wide = expected.double()  # most operations know no 8-bit formats
    size = torch.where(torch.isfinite(wide), wide, 0.0).square().mean().sqrt() if expected.numel() else 0.0
    place = _LAST_PLACES * torch.finfo(expected.dtype).eps
    for start in range(0, expected.numel(), _SLICE):
        one = got.flatten()[start : start + _SLICE].double()
        other = expected.flatten()[start : start + _SLICE].double()
        allowed = (slack * tolerance.atol + place) * size + (slack * tolerance.rtol + place) * other.abs()
        same = (one == other) | (one.isnan() & other.isnan()) | (other.isfinite() & ((one - other).abs() <= allowed))
        if not bool(same.all()):
            return False
    return True


def _identical(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    def bits(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.contiguous().reshape(-1).view(torch.uint8)

    return all(torch.equal(bits(left), bits(right)) for left, right in zip(one, other, strict=True))
