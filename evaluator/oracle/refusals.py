"""Which derived inputs a reference does not take, found out on the CPU at small sizes.

On a GPU a refusal can be an assertion in one of torch's kernels (probabilities above one), and a context in which one
failed is lost, to every candidate after it.
"""

from collections.abc import Sequence

from evaluator.errors import UsageError
from evaluator.oracle.draws import DERIVED, Distribution, Draw, fresh_seed
from evaluator.oracle.reference import Reference
from evaluator.oracle.sizes import small_reference
from evaluator.tasks import Task

_DRAWS = 4  # of each distribution: whether a few small numbers are refused depends on which they are
_known: dict[str, dict[str, str]] = {}  # by a task's digest: a failing case is looked for at many sizes


def refusals(task: Task) -> dict[str, str]:
    """The distributions on which the reference fails, with what it says; empty where the CPU can't tell."""
    if task.digest not in _known:
        _known[task.digest] = _tried(task)
    return _known[task.digest]


def _tried(task: Task) -> dict[str, str]:
    try:
        small = small_reference(task)
    except UsageError:
        return {}
    seeds = [fresh_seed() for _ in range(_DRAWS)]
    if isinstance(small, str) or _problem(small, "own", seeds):
        return {}
    return {distribution: said for distribution in DERIVED if (said := _problem(small, distribution, seeds))}


def _problem(reference: Reference, distribution: Distribution, seeds: Sequence[int]) -> str:
    """What the reference says to the first draw that it does not take."""
    try:
        for seed in seeds:
            if (inputs := Draw(distribution, seed).inputs(reference)) is not None:
                reference.run(reference.model(seed), inputs)
    except UsageError as error:
        return str(error)
    return ""
