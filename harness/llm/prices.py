"""What a model costs: the person's own figures, else nothing for a server on this machine, else the price table.

The table is that of the package genai-prices as installed; nothing is fetched.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from evaluator.errors import UsageError
from harness.llm.address import is_loopback, redact_url
from harness.settings import BudgetSettings, LlmSettings

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation, TieredPrices

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_CHARACTERS_PER_TOKEN = 4  # the usual rule of thumb for English and code
_CHARACTERS_PER_TOKEN_AT_MOST_DENSE = 2  # a cautious figure for bounds: code with many symbols


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens. Where a price depends on the length of the prompt, the highest is taken."""

    usd_per_million_input: float
    usd_per_million_output: float
    source: str  # settings | this machine | genai-prices VERSION, PROVIDER's list price

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Dollars for one answer."""
        total = prompt_tokens * self.usd_per_million_input + completion_tokens * self.usd_per_million_output
        return total / 1e6

    def __str__(self) -> str:
        return f"${self.usd_per_million_input:g} in, ${self.usd_per_million_output:g} out per million tokens"


Prices = Mapping[str, Price | None]
"""By model; None where nobody knows."""


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has, for servers that don't count."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def bound_tokens(text: str) -> int:
    """A cautious figure for the tokens of a prompt that was not sent yet, for reservations."""
    return -(-len(text.encode()) // _CHARACTERS_PER_TOKEN_AT_MOST_DENSE)


def base_url_of(settings: LlmSettings, environ: Mapping[str, str]) -> str:
    """Where requests go: the setting, else OPENAI_BASE_URL, else OpenAI itself."""
    return settings.base_url or environ.get("OPENAI_BASE_URL", "").strip() or DEFAULT_BASE_URL


def find_price(settings: LlmSettings, environ: Mapping[str, str], model: str = "") -> Price | None:
    """The price of a model, by default the first that is configured, or None if nobody knows it.

    Figures in the settings come first (both or, with the other from elsewhere, one). A server on this machine counts
    as free: that is a statement, not a finding, since it could pass requests on; whoever runs such a proxy sets the
    figures.
    """
    url = base_url_of(settings, environ)
    given_in, given_out = settings.usd_per_million_input, settings.usd_per_million_output
    if given_in is not None and given_out is not None:
        return Price(given_in, given_out, "settings")
    found = Price(0.0, 0.0, "this machine") if is_loopback(url) else _listed(model or settings.names[0], url)
    if found is None or (given_in is None and given_out is None):
        return found
    return Price(
        found.usd_per_million_input if given_in is None else given_in,
        found.usd_per_million_output if given_out is None else given_out,
        f"settings, {found.source}",
    )


def snapshot(settings: LlmSettings, environ: Mapping[str, str] = os.environ) -> dict[str, dict[str, Any] | None]:
    """By model, the figures and where they come from: what is saved with a run, for prices change."""
    prices = {name: find_price(settings, environ, name) for name in settings.names}
    return {name: asdict(price) if price else None for name, price in prices.items()}


def require_prices(
    settings: LlmSettings, budget: BudgetSettings, environ: Mapping[str, str]
) -> dict[str, Price | None]:
    """`find_price` for every model that may be asked, refusing a spending cap that could not be kept.

    Raises:
        UsageError: there is a cap in dollars, and a model without a known price.
    """
    prices = {name: find_price(settings, environ, name) for name in settings.names}
    for name, price in prices.items():
        if price is None and budget.usd is not None:
            where = redact_url(base_url_of(settings, environ))
            raise UsageError(
                f"The price of {name} at {where} is not known: the cap budget.usd={budget.usd:g} can't be kept.",
                "Give llm.usd_per_million_input=… and llm.usd_per_million_output=… (0 for a server of your own), "
                "or budget.usd=null for no cap in dollars.",
            )
    return prices


def _listed(model: str, url: str) -> Price | None:
    """The list price: of the provider at that address, else of whoever makes the model."""
    from genai_prices import Usage, calc_price  # takes 0.2 s to import

    nothing = Usage(input_tokens=0, output_tokens=0)
    try:
        found = calc_price(nothing, model, provider_api_url=url)
        return _from_table(found, "")
    except LookupError:
        pass
    try:
        found = calc_price(nothing, model)
    except LookupError:
        return None
    return _from_table(found, f"; {redact_url(url)} may charge otherwise")


def _from_table(found: "PriceCalculation", caveat: str) -> Price | None:
    highest_in = _highest(getattr(found.model_price, "input_mtok", None))
    highest_out = _highest(getattr(found.model_price, "output_mtok", None))
    if highest_in is None or highest_out is None:
        return None
    source = f"genai-prices {version('genai-prices')}, list price of {found.provider.name}{caveat}"
    return Price(highest_in, highest_out, source)


def _highest(price: "Decimal | TieredPrices | None") -> float | None:
    """The highest tier: a bound for any length of prompt."""
    if price is None:
        return None
    if isinstance(price, Decimal | int | float):
        return float(price)
    return float(max([price.base, *(tier.price for tier in price.tiers)]))
