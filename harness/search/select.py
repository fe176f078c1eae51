"""The table of strategies: a new one is a file beside this one, and a row here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evaluator.catalog import unknown
from evaluator.errors import UsageError
from harness.search.arms import Arms, Bandit, Weights
from harness.search.base import Strategy
from harness.search.beam import Beam
from harness.search.best_of_n import BestOfN
from harness.search.evolution import Evolution
from harness.search.greedy import Greedy
from harness.settings import SearchSettings


@dataclass(frozen=True)
class Row:
    """One strategy: how it is made, and the settings that only some strategies heed, of which it heeds these."""

    make: Callable[[SearchSettings], Strategy]
    heeds: tuple[str, ...] = ()


STRATEGIES: dict[str, Row] = {
    "greedy": Row(Greedy),
    "best_of_n": Row(BestOfN, ("width",)),
    "beam": Row(Beam, ("width",)),
    "evolution": Row(Evolution, ("islands", "migrate_every", "crossover", "explore", "selection", "temperature")),
}


BY_RULES = ("rules", "inductor")  # proposers that no model stands behind


def strategy(settings: SearchSettings) -> Strategy:
    """The strategy that the settings ask for.

    Raises:
        UsageError: an unknown one, parameters that it does not heed, or parameters that are impossible together.
    """
    row = STRATEGIES.get(settings.strategy)
    if row is None:
        raise unknown("search strategy", settings.strategy, STRATEGIES)
    refuse_unheeded(settings)
    return row.make(settings)


def arms(search: SearchSettings, models: Mapping[str, float]) -> Arms:
    """Who chooses among these models (name -> weight; none or one: there is no choice, only operators)."""
    return Bandit(models, search.seed) if search.arms == "bandit" else Weights(models, search.seed)


def refuse_misfits(search: SearchSettings, proposer: str) -> None:
    """Refuse what the proposer can't do for this search.

    Raises:
        UsageError: rules are asked for what takes a model.
    """
    if proposer not in BY_RULES:
        return
    if search.crossover or search.explore:
        raise UsageError(
            f"The {proposer} proposer varies parameters of one parent: it can't cross two, nor try another way.",
            "Use a model, or leave improving alone with search.crossover=0 search.explore=0.",
        )
    if search.arms == "bandit":
        raise UsageError(
            f"search.arms=bandit chooses among models and operators, and the {proposer} proposer has but one of each.",
            "Leave search.arms at weights.",
        )


def refuse_unheeded(settings: SearchSettings) -> None:
    """Refuse what was set and would change nothing: whoever sets it expects something.

    Raises:
        UsageError: names the setting, and the strategies that heed it.
    """
    heeded = {name for row in STRATEGIES.values() for name in row.heeds}
    for name in sorted(heeded - set(STRATEGIES[settings.strategy].heeds)):
        if getattr(settings, name) != SearchSettings.model_fields[name].default:
            heeding = " or ".join(key for key, row in STRATEGIES.items() if name in row.heeds)
            raise UsageError(
                f"search.{name}={getattr(settings, name)} has no meaning for search.strategy={settings.strategy}.",
                f"It belongs to {heeding}: choose search={heeding.split(' ')[0]}, or leave it out.",
            )
