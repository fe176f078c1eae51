"""Who proposes, and what the person is told about it before anything is sent."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evaluator.errors import UsageError
from evaluator.generation import NO_GPU, Generation
from evaluator.tasks import Task
from evaluator.triton_api import TritonApi
from harness.llm.address import redact_url
from harness.llm.client import ModelClient
from harness.llm.prices import Price, base_url_of, require_prices
from harness.proposers.base import Context, Proposer
from harness.proposers.inductor import InductorProposer
from harness.proposers.llm import LlmProposer, Render
from harness.proposers.recorded import RecordedProposer, read_steps
from harness.proposers.rules import RulesProposer
from harness.settings import BudgetSettings, LlmSettings, ProposerSettings, Settings
from prompts.context import PromptContext
from prompts.render import render

if TYPE_CHECKING:
    from candidates.store import Store

Generate = Callable[[Task], Generation]


def choose(proposer: ProposerSettings, llm: LlmSettings, environ: Mapping[str, str] = os.environ) -> ProposerSettings:
    """The settings with `auto` decided and the reason said.

    Recorded if a run is named, llm if a key or a server is, else rules.
    """
    if proposer.kind != "auto":
        return proposer.model_copy(update={"reason": proposer.reason or f"proposer={proposer.kind} was asked for"})
    if proposer.run:
        return proposer.model_copy(update={"kind": "recorded", "reason": f"run={proposer.run} is named"})
    signs = {
        f"{llm.api_key_env} is set": environ.get(llm.api_key_env, "").strip(),
        "OPENAI_BASE_URL is set": environ.get("OPENAI_BASE_URL", "").strip(),
        "llm.base_url is given": llm.base_url,
        "llm.api_key_file is given": llm.api_key_file,
    }
    found = next((reason for reason, sign in signs.items() if sign), None)
    if found is not None:
        return proposer.model_copy(update={"kind": "llm", "reason": found})
    reason = f"neither {llm.api_key_env} nor OPENAI_BASE_URL is set"
    return proposer.model_copy(update={"kind": "rules", "reason": reason})


def announce(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """The first line of output: who proposes and why; for llm where code is sent, to which model, under what cap.

    Raises:
        UsageError: llm without a model or with a URL that is none, a cap in dollars that can't be kept since no price
            is known, or recorded without a run.
        ModelError: llm without a key.
    """
    chosen = choose(settings.proposer, settings.llm, environ)
    if chosen.kind == "rules":
        return f"proposer: rules ({chosen.reason}); nothing leaves this machine"
    if chosen.kind == "inductor":
        first = "first what torch.compile generates on this GPU, then the rules"
        return f"proposer: inductor ({chosen.reason}): {first}; nothing leaves this machine"
    if chosen.kind == "recorded":
        if not chosen.run:
            raise UsageError("No run is named whose replies are to be used.", "Name one with run=ID.")
        return f"proposer: recorded ({chosen.reason}), replies of run {chosen.run}; nothing leaves this machine"
    if not settings.llm.names:
        raise UsageError(
            f"The proposer is llm ({chosen.reason}), and no model is named.",
            "Name one with llm.model=NAME, or use proposer=rules, which needs none.",
        )
    with ModelClient(settings.llm, environ):  # so that a missing key is said before any work is done
        prices = require_prices(settings.llm, settings.budget, environ)
    url = redact_url(base_url_of(settings.llm, environ))
    models = f"model{'s' if len(prices) > 1 else ''} {', '.join(prices)}"
    return f"proposer: llm ({chosen.reason}); code is sent to {url}, {models}, {_cap(settings.budget, prices)}"


def nowhere(task: Task) -> Generation:
    """What torch.compile generates where nobody can be asked for it."""
    return Generation(reason=NO_GPU)


def proposer(
    settings: Settings,
    store: "Store",
    api: TritonApi,
    environ: Mapping[str, str] = os.environ,
    generate: Generate = nowhere,
) -> Proposer:
    """The proposer that the settings ask for; `generate` answers for the inductor proposer.

    Raises:
        UsageError: recorded, and the run is unknown.
        ModelError: llm, and there is no key.
    """
    chosen = choose(settings.proposer, settings.llm, environ)
    if chosen.kind == "llm":
        return LlmProposer(
            ModelClient(settings.llm, environ, record=store), writer(settings, api), settings.prompt.analysis
        )
    if chosen.kind == "inductor":
        return InductorProposer(generate)
    if chosen.kind == "recorded":
        return RecordedProposer(read_steps(store, store.run(chosen.run).id))
    return RulesProposer()


@contextmanager
def opened(settings: Settings, store: "Store", api: TritonApi, generate: Generate = nowhere) -> Iterator[Proposer]:
    """`proposer` for as long as the block lasts; what it has in flight then, such as after Ctrl-C, is given up."""
    chosen = proposer(settings, store, api, generate=generate)
    try:
        yield chosen
    finally:
        if isinstance(chosen, LlmProposer):
            chosen.close()


def writer(settings: Settings, api: TritonApi) -> Render:
    """Makes prompts of contexts, without the parts that the settings leave out."""

    def write(context: Context, omit: Collection[str] = (), analyse: bool = False) -> str:
        return render(show(context, settings, api, analyse), {*settings.prompt.omit, *omit})

    return write


def show(context: Context, settings: Settings, api: TritonApi, analyse: bool = False) -> PromptContext:
    """What the prompt shows of a proposer's context; a failure is shown under the stage that repairs."""
    repair = settings.repair.model_copy(update={"template": "analysis"}) if analyse else settings.repair
    return PromptContext(
        task=context.task,
        gpu=context.gpu,
        stage=repair if context.failure else context.stage,
        api=api,
        source=context.source,
        verdict=context.verdict,
        profile=context.profile,
        facts=context.facts,
        before=context.before,
        board=context.board,
        history=context.history,
        failure=context.failure,
        analysis=context.failure.analysis if context.failure else "",
        operator=context.plan.operator,
        inspirations=context.inspirations,
    )


def _cap(budget: BudgetSettings, prices: Mapping[str, Price | None]) -> str:
    cap = f"spending cap ${budget.usd:.2f}" if budget.usd is not None else "no spending cap"
    said = {name: _priced(price) for name, price in prices.items()}
    if len(set(said.values())) == 1:
        return f"{cap} ({next(iter(said.values()))})"
    return f"{cap} ({'; '.join(f'{name}: {text}' for name, text in said.items())})"


def _priced(price: Price | None) -> str:
    if price is None:
        return "the price is not known"
    return "a server on this machine counts as free" if price.source == "this machine" else f"{price}: {price.source}"
