"""`harness prompt stage=… [candidate=…]`: exactly what a model would be sent; nothing is sent or evaluated."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from candidates import identity
from candidates.store import Store
from candidates.text import neutralise
from evaluator import triton_api
from evaluator.errors import UsageError
from evaluator.service import Evaluator
from evaluator.verdict import Profile, Status, Verdict
from harness import archive, arguments, recall, terminal
from harness.commands.evaluate import read
from harness.config import load
from harness.incumbents import findings_of
from harness.overrides import keys
from harness.proposers.base import Context, Failure
from harness.proposers.select import writer
from harness.settings import Settings
from prompts import facts
from prompts.catalog import load_stages

ANSWER = "(the answer to the first call)"
SECOND = f"\n{'=' * 20} the second call: {'=' * 20}\n\n"


def main(words: Sequence[str], debug: bool) -> int:
    """Print the prompt of one stage for one candidate, by default the task's starting point.

    A repair is two calls, unless `prompt.analysis` is off: both are printed, the second with a mark in place of the
    answer to the first.
    """
    given, overrides = arguments.parse(arguments.parser("prompt"), words)
    candidate = keys(overrides).get("candidate", "")
    settings = load([word for word in overrides if not word.startswith("candidate=")])
    if len(settings.stages) != 1:
        raise UsageError("A prompt belongs to one stage.", "Name one with stage=NAME.")
    context = gather(settings, candidate)
    if context.source and context.verdict is None and context.failure is None:
        terminal.stderr().print(
            "note: this candidate was not evaluated here yet, so the prompt holds no facts about it; a run would know "
            "them (harness evaluate finds them out)."
        )
    write = writer(settings, triton_api.names())
    analysis = write(context, analyse=True) if context.failure and settings.prompt.analysis else None
    if analysis and context.failure:
        context = replace(context, failure=replace(context.failure, analysis=ANSWER))
    text = write(context)
    if given.json:
        terminal.print_json(
            {
                "task": settings.task.name,
                "stage": settings.stages[0].name,
                "candidate": (context.failure.digest if context.failure else context.digest) or None,
                "analysis": analysis,
                "prompt": text,
            }
        )
        return 0
    if analysis:
        print(neutralise(analysis), end=SECOND)
    print(neutralise(text), end="")
    return 0


def gather(settings: Settings, candidate: str) -> Context:
    """What is known about the candidate, from the store alone; of a failure what the run that it belongs to knew."""
    stage, task = settings.stages[0], settings.task
    source = "" if stage.template == "draft" and not candidate else task.start
    verdict: Verdict | None = None
    profile: Profile | None = None
    if candidate and Path(candidate).is_file():
        source = read(Path(candidate))
    elif candidate:
        with archive.open_existing(settings.store) as store:
            source = store.source(store.resolve(candidate))
    if source and archive.exists(settings.store):
        with archive.open_existing(settings.store) as store:
            verdict, profile = known(store, settings, identity.digest(source))
    failed = verdict is not None and verdict.status is not Status.VERIFIED
    failure = None
    if stage.template == "repair":
        if failed and (asked := recalled(settings, identity.digest(source))):
            return asked
        if verdict is None or not failed:
            raise UsageError(
                "A repair prompt needs a candidate that failed.", "Name one that was evaluated here: candidate=ID."
            )
        failure = Failure(source, verdict, findings_of(verdict), identity.digest(source))
        source, verdict, profile = task.start, None, None
    return Context(
        task=task,
        gpu=settings.gpu,
        stage=stage,
        round=1,
        digest=identity.digest(source) if source else "",
        source=source,
        verdict=verdict,
        profile=profile,
        facts=facts.collect(verdict, profile, settings.gpu) if verdict else {},
        failure=failure,
    )


def recalled(settings: Settings, digest: str) -> Context | None:
    """What the repair of this candidate was asked with, or would have been, in the run that proposed it."""
    with archive.open_existing(settings.store) as store:
        return recall.repair_context(store, settings, load_stages(), digest, triton_api.names())


def known(store: Store, settings: Settings, digest: str) -> tuple[Verdict | None, Profile | None]:
    """The stored verdict and profile for this task under the conditions of this machine."""
    evaluator = Evaluator(settings.evaluator, device=settings.device, target=settings.gpu)  # asked, never started
    fingerprint = evaluator.describe()["fingerprint"]
    task = settings.task.digest
    return store.verdict(digest, task, fingerprint), store.profile(digest, task, fingerprint)
