"""Is a candidate right at other sizes than those that it was checked at first?"""

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


def check_larger(examination: Examination, rungs: Sequence[Rung]) -> None:
    """Compare at larger sizes, as far up as the interpreter gets in some seconds.

    The first sizes are good for finding what is wrong, not for believing that nothing is: no loop over blocks goes
    around twice there.

    Raises:
        Mismatch, WorkerFailure, Violation: as `Examination.check_at` does.
    """
    left = list(rungs)
    while left:
        rung = left[0]
        began = time.monotonic()
        examination.check_at(rung.name, rung.reference)
        took = time.monotonic() - began
        # The work of a product grows faster than its tensors.
        bearable = [each for each in left[1:] if took * (each.elements / rung.elements) ** 1.5 <= _STEP_S]
        if not bearable:
            examination.note(f"right at {rung.name} too")
            break
        left = left[left.index(bearable[-1]) :]
    if len(left) > 1:
        examination.note("not checked at larger sizes: the interpreter would take too long")
