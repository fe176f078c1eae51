"""Trying the cheats on a task: which check catches each of them, and which would pass."""

from collections.abc import Callable, Collection, Iterator
from typing import Literal

from evaluator.catalog import unknown
from evaluator.errors import OracleError, UsageError
from evaluator.frozen import Frozen
from evaluator.redteam import parts
from evaluator.redteam.cheats import Cheat, cheats, control
from evaluator.tasks import Task
from evaluator.verdict import Status, Verdict

ADVANTAGE = 0.9
"""A cheat gains something if its time is below this share of the honest candidate's."""

Result = Literal["caught", "would pass", "permitted", "gains nothing", "does not apply", "needs a GPU", "undecided"]


class Outcome(Frozen):
    """What became of one cheat. `by` is what caught it, or why nothing can be said."""

    cheat: str
    what: str
    result: Result
    status: Status | None = None
    by: str = ""


def attack(
    task: Task,
    evaluate: Callable[[str, Task], Verdict],
    measured: bool,
    progress: Callable[[str], None],
    only: Collection[str] = (),
) -> Iterator[Outcome]:
    """Evaluate cheats on `task`, one after another.

    Args:
        task: what is cheated at.
        evaluate: gives a candidate's verdict on a task; no static rule should come before it.
        measured: whether `evaluate` times on a GPU.
        progress: told which cheat is being tried.
        only: names of those that are wanted; empty for all.

    Raises:
        UsageError: the honest candidate is not verified either, or does not parse; there is no such cheat.
        OracleError: the machine failed, and nothing was learnt.
    """
    known = {cheat.name: cheat for cheat in cheats(task)}
    for name in only:
        if name not in known:
            raise unknown("cheat", name, known)
    progress("the honest candidate")
    lenient = task.model_copy(update={"torch_ops": ("any",)})
    honest = evaluate(control(task), lenient)
    if task.start and honest.status is not Status.VERIFIED:
        raise UsageError(
            f"the starting candidate of {task.name} is not verified itself ({honest.status}: {honest.reason})",
            "Where an honest candidate does not pass, nothing can be said about cheats: mend it first.",
        )
    for cheat in [known[name] for name in only] or known.values():
        if cheat.shows == "gpu" and not measured:
            yield Outcome(cheat=cheat.name, what=cheat.what, result="needs a GPU", by="only a GPU can show it")
            continue
        progress(cheat.name)
        yield judge(cheat, evaluate(cheat.source, lenient if cheat.torch_is_free else task), honest)


def judge(cheat: Cheat, verdict: Verdict, honest: Verdict) -> Outcome:
    """What a verdict means for the cheat that earned it.

    Raises:
        OracleError: the machine failed, and nothing was learnt.
    """
    result, by = _result(cheat, verdict, honest)
    return Outcome(cheat=cheat.name, what=cheat.what, result=result, status=verdict.status, by=by)


def _result(cheat: Cheat, verdict: Verdict, honest: Verdict) -> tuple[Result, str]:
    if verdict.status is Status.INFRA_ERROR:
        raise OracleError(f"the evaluation of '{cheat.name}' failed: {verdict.reason}", "See `harness doctor`.")
    if parts.NOT_HERE in verdict.reason:
        return "does not apply", verdict.reason.partition(f"{parts.NOT_HERE}: ")[2]
    if verdict.status is Status.UNCHECKED:
        return "undecided", verdict.reason
    if verdict.status is not Status.VERIFIED:
        return "caught", f"{verdict.status}: {verdict.reason}"
    if cheat.name == "own weights" and verdict.evidence.weights in ("by seed", "none"):
        return "does not apply", "the evaluation gives this candidate no weights of its own choice"
    ours, theirs = verdict.time, honest.time
    if cheat.paid_in_time and ours and theirs and ours.median_ms >= ADVANTAGE * theirs.median_ms:
        return "gains nothing", f"{ours.median_ms:.4g} ms, the honest candidate {theirs.median_ms:.4g} ms"
    if cheat.permitted:
        return "permitted", cheat.permitted
    return "would pass", "every check passed"
