"""`harness calibrate [--task T]`: what this machine's GPU reaches, and the smallest gain that can be seen on it."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from candidates.identity import digest
from candidates.text import neutralise
from evaluator.errors import MachineError, UsageError
from evaluator.request import Incumbent, Request
from evaluator.service import Evaluator
from evaluator.verdict import Gain, Status
from evaluator.work import Ceilings
from harness import arguments, calibration, ceilings, terminal
from harness.boundary import DONE
from harness.calibration import Calibration
from harness.config import load, load_store
from harness.settings import Settings

_TO_THE_END = -1.0  # as min_gain: no comparison is given up early, none of equals is accepted


def main(words: Sequence[str], debug: bool) -> int:
    """Measure the GPU's ceilings, and a task's start against itself; print and keep what that tells."""
    parser = arguments.parser("calibrate")
    parser.add_argument("--task", metavar="T", help="also compare its start with itself: bundled, or a reference file")
    parser.add_argument("--comparisons", type=int, default=8, metavar="N", help="each by a fresh worker (8)")
    parser.add_argument("--show", action="store_true", help="print the ceilings that are kept, and measure nothing")
    given, overrides = arguments.parse(parser, words)
    if given.show:
        return show(ceilings.all_known(load_store(overrides).root), given.json)
    if given.comparisons < 2:
        raise UsageError("A calibration needs two comparisons at least.", "--comparisons 8 is a good number.")
    settings = load([*overrides, *([f"task={given.task}"] if given.task else [])])
    if not settings.device:
        raise MachineError(
            "There is no GPU here to calibrate: nothing is timed on this machine.",
            "Run it where kernels are going to be measured; `harness doctor` says what is missing.",
        )
    if given.task and not settings.task.start:
        raise UsageError(f"The task {settings.task.name} has no start to measure.", "start=PATH names one.")
    reached, before, found = measure(settings, given.comparisons if given.task else 0)
    if given.json:
        said: dict[str, Any] = found.model_dump(mode="json") if found else {}
        terminal.print_json(said | {"ceilings": reached.model_dump(mode="json")})
        return DONE
    tell(settings, reached, before, found)
    return DONE


def measure(settings: Settings, comparisons: int) -> tuple[Ceilings, Ceilings | None, Calibration | None]:
    """The ceilings now and before, and what so many comparisons say (None for none of them); all of it is kept."""
    root = settings.store.root
    without_baselines = settings.evaluator.model_copy(update={"baselines": ()})
    with (
        Evaluator(without_baselines, device=settings.device, target=settings.gpu) as evaluator,
        terminal.stderr().status("starting") as status,
    ):
        described = evaluator.describe()
        fingerprint = described["fingerprint"]
        before = ceilings.known(root, fingerprint)
        reached = evaluator.ceilings(lambda text: status.update(Text(text)))
        ceilings.keep(root, fingerprint, reached)
        gains = []
        for index in range(comparisons):
            status.update(Text(f"comparison {index + 1} of {comparisons}"))
            gains.append(compare(settings, evaluator, index))
    found = calibration.summarise(settings.task.name, described["device"], gains) if gains else None
    if found is not None:
        calibration.keep(root, fingerprint, settings.task.digest, found)
    return reached, before, found


def tell(settings: Settings, reached: Ceilings, before: Ceilings | None, found: Calibration | None) -> None:
    """What was measured, for people."""
    console = terminal.stdout()
    console.print(f"{reached.device}: {ceilings.in_words(reached)}", soft_wrap=True)
    if before is not None:
        console.print(f"before: {ceilings.in_words(before)}", soft_wrap=True, style="dim")
    if found is not None:
        console.print(
            f"{found.task} on {found.device}: a gain of {found.smallest_gain:.2%} is seen "
            f"{calibration.POWER:.0%} of the time ({found.comparisons} comparisons of equals, which differed by "
            f"{found.between_pairs:.2%})."
        )
        if found.smallest_gain > settings.search.min_gain:
            least = f"search.min_gain is {settings.search.min_gain:.2%}"
            console.print(f"{least}: many gains as small as that will be missed.")
    console.print(f"Kept in {settings.store.root}; later evaluations here take it into account.", style="dim")


def show(known: dict[str, Ceilings], as_json: bool) -> int:
    """Every machine's ceilings that are kept here."""
    if as_json:
        terminal.print_json({fingerprint: found.model_dump(mode="json") for fingerprint, found in known.items()})
        return DONE
    console = terminal.stdout()
    for fingerprint, found in known.items():
        console.print(Text(neutralise(f"{found.device} ({fingerprint}): {ceilings.in_words(found)}")), soft_wrap=True)
    if not known:
        console.print("No ceilings were measured yet; the datasheet's figures (conf/gpu) stand in for them.")
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
