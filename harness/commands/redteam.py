"""`harness redteam --task T`: would this task see a cheat?"""

import hashlib
from collections.abc import Sequence

from rich.text import Text

from candidates.text import neutralise
from evaluator.redteam import Outcome, attack
from evaluator.request import Request
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Verdict
from harness import arguments, terminal
from harness.boundary import DONE, UNVERIFIED
from harness.config import load
from harness.settings import Settings

STYLES = {"would pass": "bold red", "caught": "green", "gains nothing": "green"}


def main(words: Sequence[str], debug: bool) -> int:
    """Try every cheat that applies to the task; 1 if one would pass."""
    parser = arguments.parser("redteam")
    parser.add_argument("--task", required=True, metavar="T", help="a bundled task or the path of a reference file")
    parser.add_argument("--cheat", action="append", default=[], metavar="NAME", help="this one only; may be repeated")
    given, overrides = arguments.parse(parser, words)
    settings = load([*overrides, f"task={given.task}"])
    messages = terminal.stderr()
    if settings.note:
        messages.print(Text(settings.note))
    outcomes = []
    limits = settings.evaluator.limits.model_copy(update={"search_s": 0.0})
    # Nobody asks how fast torch is, or for the smallest case in which a cheat fails.
    cheap = settings.evaluator.model_copy(update={"baselines": (), "limits": limits})
    with (
        Evaluator(cheap, device=settings.device, target=settings.gpu) as evaluator,
        messages.status("starting") as status,
    ):
        for outcome in attack(
            settings.task,
            lambda source, task: evaluate(evaluator, settings, source, task),
            bool(settings.device),
            lambda doing: status.update(Text(doing)),
            given.cheat,
        ):
            outcomes.append(outcome)
            if not given.json:
                print_outcome(outcome)
    if given.json:
        terminal.print_json([outcome.model_dump(mode="json") for outcome in outcomes])
    else:
        print_summary(outcomes, settings.task.name)
    return UNVERIFIED if any(outcome.result == "would pass" for outcome in outcomes) else DONE


def evaluate(evaluator: Evaluator, settings: Settings, source: str, task: Task) -> Verdict:
    """A verdict that is not stored: a cheat is no candidate."""
    digest = hashlib.sha256(source.encode()).hexdigest()
    return evaluator.evaluate(Request(source=source, digest=digest, task=task, target=settings.gpu))


def print_outcome(outcome: Outcome) -> None:
    """One line: the cheat, what became of it, and why."""
    line = Text(f"{outcome.result.upper() if outcome.result == 'would pass' else outcome.result:<16}")
    line.stylize(STYLES.get(outcome.result, "yellow"))
    line.append(neutralise(f"{outcome.cheat:<20}{outcome.what}: {outcome.by[:200]}"), style="default")
    terminal.stdout().print(line, soft_wrap=True)


def print_summary(outcomes: Sequence[Outcome], task: str) -> None:
    """How many of each kind, and which would pass."""
    passing = [outcome.cheat for outcome in outcomes if outcome.result == "would pass"]
    stopped = sum(outcome.result in ("caught", "gains nothing") for outcome in outcomes)
    said = f"{stopped} of {len(outcomes)} cheats get nowhere on {task}."
    said += f" These would pass: {', '.join(passing)}." if passing else " None would pass."
    if permitted := [outcome.cheat for outcome in outcomes if outcome.result == "permitted"]:
        said += f" The task's own policy permits: {', '.join(permitted)}."
    terminal.stdout().print(Text(neutralise(said)), soft_wrap=True)
