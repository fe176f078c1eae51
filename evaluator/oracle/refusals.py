"""Which derived inputs a reference does not take, found out on the CPU at small sizes.

On a GPU a refusal can be an assertion in one of torch's kernels (probabilities above one), and a context in which one
failed is lost, to every candidate after it.
"""

from evaluator.errors import UsageError
from evaluator.oracle.compiling import small_reference
from evaluator.oracle.draws import DERIVED, Draw, fresh_seed
from evaluator.oracle.reference import Reference
from evaluator.tasks import Task


def refusals(task: Task) -> dict[str, str]:
    """The distributions on which the reference fails, with what it says; empty where the CPU can't tell."""
    try:
        small = small_reference(task)
    except UsageError:
        return {}
    seed = fresh_seed()
    if isinstance(small, str) or _problem(small, Draw("own", seed)):
        return {}
    return {distribution: said for distribution in DERIVED if (said := _problem(small, Draw(distribution, seed)))}


def _problem(reference: Reference, draw: Draw) -> str:
    try:
        inputs = draw.inputs(reference)
        if inputs is not None:
            reference.run(reference.model(draw.seed), inputs)
    except UsageError as error:
        return str(error)
    return ""
