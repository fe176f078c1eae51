"""Was a float32 task computed in less than float32? Seen in the errors, in the output's bits, and in the code."""

from collections.abc import Sequence

from evaluator.tasks import Task
from evaluator.verdict import KernelFacts, NumericError

ERROR = 1e-5
"""RMS error, of the output's RMS, from which on arithmetic is suspected of less than float32 (which errs by 1e-6 at
most; TF32 and float16 by 3e-4, bfloat16 by 2e-3)."""

RATIO = 16.0
"""And it must be so many times the reference's own: what the reference loses, anybody may lose."""


def suspicion(error: NumericError) -> str:
    """What in the errors on the task's own inputs looks like reduced precision; empty if nothing does."""
    if error.rounded_to:
        return f"the outputs are rounded to {error.rounded_to}"
    own = next((entry for entry in error.distributions if entry.name == "own"), None)
    if own is None or own.rms_scaled < ERROR or own.rms_scaled < RATIO * own.reference_rms_scaled:
        return ""
    if own.reference_rms_scaled == 0:
        return f"the RMS error is {own.rms_scaled:.1e} of the output's RMS, and the reference has none"
    ratio = own.rms_scaled / own.reference_rms_scaled
    return f"the RMS error is {own.rms_scaled:.1e} of the output's RMS, {ratio:.0f} times the reference's own"


def in_code(kernels: Sequence[KernelFacts]) -> str:
    """Which kernels compute in less than float32, and in what; empty if none does."""
    return ", ".join(f"{kernel.name} ({', '.join(kernel.precision)})" for kernel in kernels if kernel.precision)


def finding(task: Task, float32: bool, error: NumericError, kernels: Sequence[KernelFacts]) -> tuple[str, bool]:
    """What is to be said about reduced precision, empty if nothing, and whether it makes the output wrong.

    The error alone may come from an approximated function, and the code alone may split a product into exact parts:
    only both together are reduced precision. Rounded outputs need no other witness.

    Args:
        float32: all inputs, weights and outputs that are floating are float32 or wider.
    """
    if not float32:
        return "", False
    seen, code = suspicion(error), in_code(kernels)
    if not seen:
        return "", False
    proven = bool(error.rounded_to or code)
    text = f"reduced precision in a float32 task: {seen}" + (f"; in the code: {code}" if code else "")
    if not proven:
        return f"errors like those of reduced precision or of an approximation: {seen}", False
    return text, task.tolerance.reduced == "refused" and not task.precision.allow_reduced
