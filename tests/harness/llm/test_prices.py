import pytest

from evaluator.errors import UsageError
from harness.llm.prices import Price, bound_tokens, estimate_tokens, find_price, require_prices, snapshot
from harness.settings import BudgetSettings, LlmSettings


def test_a_listed_price_is_found_by_provider_and_model() -> None:
    price = find_price(LlmSettings(model="gpt-4o"), {})

    assert price is not None
    assert price.usd_per_million_output > price.usd_per_million_input > 0
    assert "OpenAI" in price.source
    assert "otherwise" not in price.source


def test_a_listed_price_behind_an_unknown_address_carries_a_caveat() -> None:
    price = find_price(LlmSettings(model="gpt-4o", base_url="https://gateway.example.com/v1"), {})

    assert price is not None
    assert "https://gateway.example.com/v1 may charge otherwise" in price.source


def test_figures_of_the_person_come_first() -> None:
    settings = LlmSettings(model="gpt-4o", usd_per_million_input=1.0, usd_per_million_output=3.0)

    assert find_price(settings, {}) == Price(1.0, 3.0, "settings")


def test_one_figure_is_completed_from_the_table() -> None:
    listed = find_price(LlmSettings(model="gpt-4o"), {})
    price = find_price(LlmSettings(model="gpt-4o", usd_per_million_input=0.5), {})

    assert listed is not None
    assert price is not None
    assert price.usd_per_million_input == 0.5
    assert price.usd_per_million_output == listed.usd_per_million_output


def test_a_server_on_this_machine_is_free() -> None:
    price = find_price(LlmSettings(model="gpt-4o"), {"OPENAI_BASE_URL": "http://localhost:8000/v1"})

    assert price == Price(0.0, 0.0, "this machine")


def test_the_highest_tier_is_taken() -> None:
    price = find_price(LlmSettings(model="gemini-2.5-pro"), {})

    assert price is not None
    assert price.usd_per_million_input >= 2.5  # the base tier is half of it


def test_a_cap_that_could_not_be_kept_is_refused() -> None:
    settings = LlmSettings(model="our-own-model", base_url="https://me:hunter2@gpu.example.com/v1")

    assert find_price(settings, {}) is None
    with pytest.raises(UsageError, match="can't be kept") as caught:
        require_prices(settings, BudgetSettings(usd=1.0), {})
    assert "llm.usd_per_million_input" in caught.value.remedy
    assert "hunter2" not in str(caught.value)
    assert require_prices(settings, BudgetSettings(usd=None), {}) == {"our-own-model": None}


def test_dollars_and_snapshot() -> None:
    price = Price(2.0, 8.0, "settings")

    assert price.usd(500_000, 250_000) == pytest.approx(3.0)
    settings = LlmSettings(model="m", usd_per_million_input=2.0, usd_per_million_output=8.0)
    assert snapshot(settings, {}) == {
        "m": {"usd_per_million_input": 2.0, "usd_per_million_output": 8.0, "source": "settings"}
    }
    assert snapshot(LlmSettings(model="our-own", base_url="https://gpu.example.com/v1"), {}) == {"our-own": None}


def test_estimates_of_tokens() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("x" * 9) == 3
    assert bound_tokens("x" * 9) > estimate_tokens("x" * 9)


def test_each_of_several_models_has_its_price() -> None:
    settings = LlmSettings(model="gpt-4o", models={"gpt-4o": 2.0, "gpt-4o-mini": 1.0})

    prices = require_prices(settings, BudgetSettings(), {})

    dear, cheap = prices["gpt-4o"], prices["gpt-4o-mini"]
    assert dear is not None
    assert cheap is not None
    assert dear.usd_per_million_output > cheap.usd_per_million_output
    with pytest.raises(UsageError, match="our-own-model"):
        require_prices(LlmSettings(models={"gpt-4o": 1.0, "our-own-model": 1.0}), BudgetSettings(), {})
