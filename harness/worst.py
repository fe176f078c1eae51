"""The most that a run's replies can cost, from the settings and the prompts as they would be sent first."""

from collections.abc import Callable
from dataclasses import replace

from harness.llm import bounds
from harness.llm.budget import Spent
from harness.llm.prices import Prices
from harness.llm.questions import Message, Question
from harness.proposers.base import Context
from harness.proposers.llm import Render
from harness.settings import Settings
from prompts.stages import Stage


def of_run(settings: Settings, context: Callable[[Stage], Context], write: Render, prices: Prices) -> Spent:
    """Every round of every stage with all its repairs, each asked of the dearest model.

    Args:
        settings: of the run.
        context: what the proposer would see first in a stage.
        write: makes the prompt of a context.
        prices: by model; the sum is not known if one of them isn't.

    Returns:
        Dollars, tokens and calls; nothing where no model is asked.
    """
    if settings.proposer.kind != "llm":
        return Spent()
    total = Spent()
    search = settings.search
    questions = 1 + search.repairs * (2 if settings.prompt.analysis else 1)  # that one round asks at most
    for stage in settings.stages:
        prompt = write(replace(context(stage), failure=None))
        total = times(dearest(settings, prompt, prices), search.rounds * questions) + total
    return total


def dearest(settings: Settings, prompt: str, prices: Prices) -> Spent:
    """The most that one answer to this prompt costs, whichever model is asked."""
    llm = settings.llm
    asked = [
        bounds.of_reply(
            Question(name, (Message("user", prompt),), llm.max_tokens), prices.get(name), llm.continue_truncated
        )
        for name in llm.names
    ]
    unknown = any(each.usd is None for each in asked)
    return max(asked, key=lambda each: each.usd or 0.0) if not unknown else replace(asked[0], usd=None)


def times(spent: Spent, number: int) -> Spent:
    """The same, that many times."""
    return Spent(
        usd=None if spent.usd is None else spent.usd * number, tokens=spent.tokens * number, calls=spent.calls * number
    )
