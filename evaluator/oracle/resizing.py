"""Is a candidate right at other sizes than those that it was checked at first?"""

import math
import time
from collections.abc import Sequence

from evaluator.oracle.correctness import Examination
from evaluator.oracle.sizes import Rung, variants

_STEP_S = 2.0  # wall seconds that a check in the interpreter may be expected to take


def check_sizes(examination: Examination) -> None:
    """Compare at each size that the task says may vary.

    Raises:
        Mismatch, WorkerFailure, Violation: as `Examination.check_at` does.
    """
    for variant in variants(examination.task, examination.reference.device):
        if variant.reference is None:
            examination.note(f"not checked at {variant}: too large for the interpreter")
            continue
        examination.check_at(str(variant), variant.reference)
        examination.note(f"right at {variant} too")


def check_larger(examination: Examination, rungs: Sequence[Rung], took: float) -> None:
    """Compare at larger sizes, as far up as the interpreter is expected to get in some seconds.

    The first sizes are good for finding what is wrong, not for believing that nothing is: no loop over blocks goes
    around twice there.

    Args:
        rungs: the sizes of the first check, which is over, and larger ones.
        took: wall seconds of one draw of the first check.

    Raises:
        Mismatch, WorkerFailure, Violation: as `Examination.check_at` does.
    """
    left = list(rungs)
    while bearable := [each for each in left[1:] if took * _more_work(left[0], each) <= _STEP_S]:
        left = left[left.index(bearable[-1]) :]
        began = time.monotonic()
        examination.check_at(left[0].name, left[0].reference)
        took = time.monotonic() - began
    if left and left[0] is not rungs[0]:
        examination.note(f"right at {left[0].name} too")
    if len(left) > 1:
        examination.note("not checked at larger sizes: the interpreter would take too long")


def _more_work(here: Rung, there: Rung) -> float:
    """How many times as long it takes there: the work of a product grows faster than its tensors."""
    return math.pow(there.elements / here.elements, 1.5)
