"""`harness calibrate --task T`: the smallest gain that this machine can see."""

from collections.abc import Sequence

from rich.text import Text

from candidates.identity import digest
from evaluator.errors import MachineError, UsageError
from evaluator.request import Incumbent, Request
from evaluator.service import Evaluator
from evaluator.verdict import Gain, Status
from harness import arguments, calibration, terminal
from harness.boundary import DONE
from harness.config import load
from harness.settings import Settings

_TO_THE_END = -1.0  # as min_gain: no comparison is given up early, none of equals is accepted


def main(words: Sequence[str], debug: bool) -> int:
    """Measure a task's start against itself, print and keep what that tells."""
    parser = arguments.parser("calibrate")
    parser.add_argument("--task", required=True, metavar="T", help="a bundled task or the path of a reference file")
    parser.add_argument("--comparisons", type=int, default=8, metavar="N", help="each by a fresh worker (8)")
    given, overrides = arguments.parse(parser, words)
    if given.comparisons < 2:
        raise UsageError("A calibration needs two comparisons at least.", "--comparisons 8 is a good number.")
    settings = load([*overrides, f"task={given.task}"])
    if not settings.device:
        raise MachineError(
            "There is no GPU here to calibrate: nothing is timed on this machine.",
            "Run it where kernels are going to be measured; `harness doctor` says what is missing.",
        )
    if not settings.task.start:
        raise UsageError(f"The task {settings.task.name} has no start to measure.", "start=PATH names one.")
    without_baselines = settings.evaluator.model_copy(update={"baselines": ()})
    messages = terminal.stderr()
    with (
        Evaluator(without_baselines, device=settings.device, target=settings.gpu) as evaluator,
        messages.status("starting") as status,
    ):
        fingerprint = evaluator.describe()["fingerprint"]
        device = evaluator.describe()["device"]
        gains = []
        for index in range(given.comparisons):
            status.update(Text(f"comparison {index + 1} of {given.comparisons}"))
            gains.append(compare(settings, evaluator, index))
    found = calibration.summarise(settings.task.name, device, gains)
    path = calibration.keep(settings.store.root, fingerprint, settings.task.digest, found)
    if given.json:
        terminal.print_json(found.model_dump(mode="json"))
        return DONE
    console = terminal.stdout()
    console.print(
        f"{found.task} on {found.device}: a gain of {found.smallest_gain:.2%} is seen "
        f"{calibration.POWER:.0%} of the time ({found.comparisons} comparisons of equals, which differed by "
        f"{found.between_pairs:.2%})."
    )
    if found.smallest_gain > settings.search.min_gain:
        console.print(f"search.min_gain is {settings.search.min_gain:.2%}: many gains as small as that will be missed.")
    console.print(f"Kept in {path}; later comparisons here take it into account.", style="dim")
    return DONE


def compare(settings: Settings, evaluator: Evaluator, index: int) -> Gain:
    """The start against a variant of it that differs in nothing but its text.

    Raises:
        MachineError: the start does not verify, or could not be compared.
    """
    source = settings.task.start
    variant = f"{source}\n# comparison {index}\n"
    request = Request(
        source=variant,
        digest=f"{index:064x}",
        task=settings.task,
        target=settings.gpu,
        incumbent=Incumbent(digest=digest(source), source=source),
        min_gain=_TO_THE_END,
    )
    verdict = evaluator.evaluate(request)
    if verdict.status is not Status.VERIFIED or verdict.gain is None:
        reason = verdict.reason or "; ".join(verdict.evidence.notes)
        raise MachineError(f"The start of {settings.task.name} could not be compared with itself: {reason}")
    return verdict.gain
