"""Who proposes, and what the person is told about it before anything is sent."""

from collections.abc import Mapping
from typing import Literal

from evaluator.errors import UsageError
from harness.llm.address import redact_url
from harness.llm.prices import Price, base_url_of, require_price
from harness.settings import BudgetSettings, LlmSettings, ProposerSettings

Kind = Literal["llm", "rules", "recorded"]

_SIGNS = ("OPENAI_API_KEY", "OPENAI_BASE_URL")


def choose(settings: ProposerSettings, environ: Mapping[str, str]) -> tuple[Kind, str]:
    """The kind of proposer and why: the one asked for, else llm if the environment names a key or a server."""
    if settings.kind != "auto":
        return settings.kind, f"proposer={settings.kind} was given"
    found = [name for name in _SIGNS if environ.get(name, "").strip()]
    if found:
        return "llm", f"{' and '.join(found)} {'are' if len(found) > 1 else 'is'} set"
    return "rules", f"neither {' nor '.join(_SIGNS)} is set"


def announce(settings: ProposerSettings, llm: LlmSettings, budget: BudgetSettings, environ: Mapping[str, str]) -> str:
    """The first line of output: who proposes and why; for llm where code is sent, to which model, under what cap.

    Raises:
        UsageError: llm without a model, or with a cap in dollars that can't be kept since no price is known.
    """
    kind, reason = choose(settings, environ)
    reason = settings.reason or reason
    if kind == "rules":
        return f"proposer: rules ({reason}); nothing leaves this machine"
    if kind == "recorded":
        return f"proposer: recorded ({reason}), replies of run {settings.run}; nothing leaves this machine"
    if not llm.model:
        raise UsageError(
            f"The proposer is llm ({reason}), and no model is named.",
            "Name one with llm.model=NAME, or use proposer=rules, which needs none.",
        )
    price = require_price(llm, budget, environ)
    url = redact_url(base_url_of(llm, environ))
    return f"proposer: llm ({reason}); code is sent to {url}, model {llm.model}, {_cap(budget, price)}"


def _cap(budget: BudgetSettings, price: Price | None) -> str:
    cap = f"spending cap ${budget.usd:.2f}" if budget.usd is not None else "no spending cap"
    if price is None:
        return f"{cap} (the price is not known)"
    if price.source == "this machine":
        return f"{cap} (a server on this machine counts as free)"
    return f"{cap} ({price}: {price.source})"
