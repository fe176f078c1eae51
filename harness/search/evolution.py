"""Evolution: islands of elites, one for each kind of behaviour, that are improved, changed and crossed.

The archive is that of MAP-Elites (Mouret and Clune, 2015): for each cell of behaviour it holds the best member that
behaves so, its elite. A slower kernel that gets its speed elsewhere than the fastest one does is kept that way, for the
fastest one to be crossed with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp
from random import Random

from evaluator.errors import UsageError
from harness.search.base import Member, Plan, View
from harness.search.plans import chance, inspired, numbered, ranked, starting_from
from harness.settings import SearchSettings

Cell = tuple[int, ...]
Archive = dict[Cell, Member]
"""The elite of each cell."""


@dataclass(frozen=True)
class Evolution:
    """Islands take turns. Each draws a parent from its elites, the better the likelier, and an operator by its share.

    - crossover (`search.crossover`): the parent and an elite of another cell, of its own island where there is one.
    - explore (`search.explore`): an elite drawn without regard to its rank, to be done in another way.
    - improve: the rest, and what would be a crossover as long as all elites behave alike.

    The first member of the run lives on every island. After every `search.migrate_every` members, the best of each
    island moves on to the next one, where it has to hold its cell.

    Raises:
        UsageError: shares above one in all, or more islands than rounds.
    """

    settings: SearchSettings

    def __post_init__(self) -> None:
        given = self.settings
        if given.crossover + given.explore > 1:
            raise UsageError(
                f"search.crossover={given.crossover:g} and search.explore={given.explore:g} are shares of all plans "
                "and come to more than 1.",
                "What they leave of 1 is the share of plans that improve a parent.",
            )
        if given.islands > given.rounds:
            raise UsageError(
                f"search.islands={given.islands} with search.rounds={given.rounds}: some islands would never be asked "
                "for anything.",
                "Ask for fewer islands (search.islands) or for more rounds (search.rounds).",
            )

    def ask(self, view: View) -> Plan:
        """The next plan; there always is one, however much is pending."""
        island = view.number % self.settings.islands
        if not view.members:
            return numbered(starting_from("", island=island), view)
        random = chance(self.settings.seed, view.number, "evolution")
        archives = self.archives(view.members)
        elites = ranked(archives[island].values())
        plan = replace(self._operation(elites, self._others(archives, island), random), island=island)
        return numbered(inspired(plan, elites, self.settings.inspirations), view)

    def archives(self, members: Sequence[Member]) -> tuple[Archive, ...]:
        """The elites of each island after all these members, in their order, and all migrations among them."""
        archives: tuple[Archive, ...] = tuple({} for _ in range(self.settings.islands))
        for count, member in enumerate(members, 1):
            homes = archives if count == 1 else (archives[member.island % len(archives)],)
            for archive in homes:
                _settle(archive, member)
            if count % self.settings.migrate_every == 0:
                _migrate(archives)
        return archives

    def _operation(self, elites: Sequence[Member], others: Sequence[Member], random: Random) -> Plan:
        share = random.random()
        if share < self.settings.explore:
            return starting_from(random.choice(elites).digest, "explore")
        parent = self._draw(elites, random)
        if share < self.settings.explore + self.settings.crossover:
            partners = [each for each in elites if each.cell != parent.cell] or [
                each for each in others if each.cell != parent.cell
            ]
            if partners:
                partner = self._draw(partners, random)
                return replace(starting_from(parent.digest, "crossover"), inspirations=(partner.digest,))
        return starting_from(parent.digest)

    def _draw(self, members: Sequence[Member], random: Random) -> Member:
        """One of the members, which are ranked: by rank the best of n counts n times as much as the last."""
        weights = [float(place) for place in range(len(members), 0, -1)]
        if self.settings.selection == "softmax":
            weights = [exp((score - 1) / self.settings.temperature) for score in _scores(members)]
        return random.choices(members, weights)[0]

    def _others(self, archives: Sequence[Archive], island: int) -> tuple[Member, ...]:
        """The elites of all other islands."""
        found = {elite.digest: elite for i, archive in enumerate(archives) if i != island for elite in archive.values()}
        return ranked(found.values())


def _settle(archive: Archive, member: Member) -> None:
    """Make a member the elite of its cell, unless one that is as good is there."""
    elite = archive.get(member.cell)
    if elite is None or member.fitness > elite.fitness:
        archive[member.cell] = member


def _migrate(archives: Sequence[Archive]) -> None:
    """The best of each island goes to the next one, all at once."""
    best = [ranked(archive.values())[:1] for archive in archives]
    for island, movers in enumerate(best):
        for mover in movers:
            _settle(archives[(island + 1) % len(archives)], mover)


def _scores(members: Sequence[Member]) -> list[float]:
    """Each member's place between the worst (0) and the best (1), by the first part of fitness that tells any apart."""
    for values in zip(*(member.fitness for member in members), strict=False):
        low, high = min(values), max(values)
        if high > low:
            return [(value - low) / (high - low) for value in values]
    return [1.0 for _ in members]
