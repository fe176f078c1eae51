"""Puts together whoever proposes in a run: the model with its prompts and its purse, the rules, or a recording."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from candidates.store import RunRecord, Step, Store
from evaluator.errors import UsageError
from evaluator.triton_api import TritonApi
from harness.llm.budget import Spent, limits
from harness.llm.client import ModelClient
from harness.llm.prices import bound_tokens
from harness.proposers.base import Context, Failure, Proposer
from harness.proposers.llm import LlmProposer
from harness.proposers.recorded import RecordedProposer, RecordedStep
from harness.proposers.rules import RulesProposer
from harness.settings import Settings
from harness.state import State
from prompts.render import PromptContext, render
from prompts.stages import Stage


class BudgetReached(Exception):
    """The next request could cost more than is left. Ends a run in good order; caught by the loop."""


@contextmanager
def proposer(settings: Settings, store: Store, run: RunRecord, api: TritonApi) -> Iterator[Proposer]:
    """The proposer that the settings name, at the point that the run has reached.

    Raises:
        UsageError: no model or no recorded run is named, or there is no such run.
        ModelError: no key can be found.
    """
    match settings.proposer.kind:
        case "llm":
            with ModelClient(settings.llm) as client:
                purse = Purse(settings, client, lambda: State.from_steps(store.steps(run.id)).spent)
                yield LlmProposer(client, lambda context: purse.allow(prompt(context, settings.repair, api)))
        case "recorded":
            yield recording(settings, store, run)
        case _:
            yield RulesProposer()


def prompt(context: Context, repair: Stage, api: TritonApi) -> str:
    """The text that a model is sent for this context; for a failure, by the stage that repairs."""
    return render(
        PromptContext(
            task=context.task,
            gpu=context.gpu,
            stage=repair if context.failure else context.stage,
            api=api,
            source=context.source,
            verdict=context.verdict,
            profile=context.profile,
            facts=context.facts,
            history=context.history,
            failure=context.failure,
        )
    )


class Purse:
    """Lets a prompt through if the answer, at its longest, is covered by what is left of the budget."""

    def __init__(self, settings: Settings, client: ModelClient, spent: Callable[[], Spent]) -> None:
        self.limits = limits(settings.budget)
        self.client = client
        self.longest = settings.llm.max_tokens
        self.spent = spent

    def allow(self, text: str) -> str:
        """The same text.

        Raises:
            BudgetReached: the request could pass a bound.
        """
        size, price = bound_tokens(text), self.client.price
        usd = price.usd(size, self.longest) if price else None
        if reason := self.limits.reserve(self.spent(), Spent(usd=usd, tokens=size + self.longest, calls=1)):
            raise BudgetReached(reason)
        return text


def recording(settings: Settings, store: Store, run: RunRecord) -> RecordedProposer:
    """The proposals of a saved run, less those that this run has replayed before it was interrupted."""
    if not settings.proposer.run:
        raise UsageError("proposer=recorded needs the run whose replies to use.", "Add proposer.run=ID.")
    saved = store.steps(store.run(settings.proposer.run).id)
    result = RecordedProposer([recorded(step, store) for step in saved if step.kind != "start"])
    for step in store.steps(run.id):
        if step.kind != "start":
            result.propose(_asked_then(step, settings))
    return result


def recorded(step: Step, store: Store) -> RecordedStep:
    """A saved proposal as it can be made again."""
    return RecordedStep(
        prompt=store.text(step.prompt) if step.prompt else None,
        reply=store.text(step.reply) if step.reply else None,
        source=store.source(step.candidate) if step.candidate and not step.reply else None,
        change=step.change,
        model=step.model,
        stage=step.stage,
        repair=step.kind == "repair",
    )


def _asked_then(step: Step, settings: Settings) -> Context:
    """As much of the context of a past step as a recording looks at: its stage, and whether it was a repair."""
    stage = next((stage for stage in settings.stages if stage.name == step.stage), settings.draft or settings.repair)
    failure = Failure("", step.verdict) if step.kind == "repair" and step.verdict else None
    return Context(task=settings.task, gpu=settings.gpu, stage=stage, round=step.round, failure=failure)
