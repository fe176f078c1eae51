from collections import Counter
from dataclasses import replace

import pytest

from evaluator.errors import UsageError
from harness.search.base import Member, Plan, View
from harness.search.evolution import Evolution
from harness.settings import SearchSettings
from tests.harness.search.landscape import Run, hills

LONG = SearchSettings(strategy="evolution", rounds=200, islands=3, migrate_every=6, crossover=0.3, explore=0.2)


def one_island(**changes: object) -> Evolution:
    return Evolution(SearchSettings(strategy="evolution", migrate_every=1000).model_copy(update=changes))


def member(name: str, speed: float, cell: tuple[int, ...] = (0,), island: int = 0) -> Member:
    return Member(name, (1.0, speed), cell, island)


def plans(strategy: Evolution, members: tuple[Member, ...], count: int = 300) -> list[Plan]:
    """What is asked for with these members, by one plan after another."""
    return [strategy.ask(View(number, members[0].digest, members)) for number in range(count)]


def test_each_cell_holds_the_best_that_behaves_so() -> None:
    run = Run(one_island()).go(120)
    (archive,) = one_island().archives(run.view.members)
    best: dict[tuple[int, ...], float] = {}
    for each in run.view.members:
        best[each.cell] = max(best.get(each.cell, 0.0), each.fitness[1])
    assert {cell: elite.fitness[1] for cell, elite in archive.items()} == best
    assert len(archive) == 12  # every cell of the landscape was found


def test_the_first_of_equals_stays_the_elite() -> None:
    (archive,) = one_island().archives((member("a", 1.0), member("b", 1.0)))
    assert archive == {(0,): member("a", 1.0)}


def test_islands_take_turns_and_breed_from_their_own_elites() -> None:
    strategy = Evolution(LONG.model_copy(update={"migrate_every": 1000, "crossover": 0.0}))
    run = Run(strategy).go(60)
    assert [plan.island for plan in run.plans] == [0, 1, 2] * 20
    island_of = {each.digest: each.island for each in run.view.members}
    for plan in run.plans:
        assert plan.parent == "start" or island_of[plan.parent] == plan.island


def test_after_so_many_members_the_best_of_each_island_moves_on() -> None:
    strategy = Evolution(SearchSettings(strategy="evolution", islands=3, migrate_every=4))
    first = member("start", 1.0)
    bred = (member("a", 1.3, (1,), 0), member("b", 1.2, (2,), 1), member("c", 1.1, (3,), 2))
    zero, one, two = strategy.archives((first, *bred))
    assert set(zero) == {(0,), (1,), (3,)}  # its own, and the best of the island before it
    assert set(one) == {(0,), (2,), (1,)}
    assert set(two) == {(0,), (3,), (2,)}
    assert [set(archive) for archive in strategy.archives((first, *bred[:2]))] == [{(0,), (1,)}, {(0,), (2,)}, {(0,)}]


def test_a_migrant_has_to_hold_its_cell() -> None:
    strategy = Evolution(SearchSettings(strategy="evolution", islands=2, migrate_every=3))
    members = (member("start", 1.0), member("a", 1.3, (1,), 0), member("b", 1.5, (1,), 1))
    zero, one = strategy.archives(members)
    assert zero[(1,)].digest == "b"
    assert one[(1,)].digest == "b"


def test_operators_come_in_their_shares() -> None:
    strategy = one_island(crossover=0.3, explore=0.2)
    members = (member("a", 1.0, (0,)), member("b", 1.1, (1,)), member("c", 1.2, (2,)))
    counted = Counter(plan.operator for plan in plans(strategy, members, 1000))
    # Three standard deviations around the shares of a thousand.
    assert counted == {
        "improve": pytest.approx(500, abs=48),
        "crossover": pytest.approx(300, abs=44),
        "explore": pytest.approx(200, abs=38),
    }


def test_a_crossover_joins_elites_of_different_cells() -> None:
    members = (member("a", 1.0, (0,)), member("b", 1.1, (1,)), member("c", 1.2, (2,)))
    crossed = plans(one_island(crossover=1.0), members)
    assert {plan.operator for plan in crossed} == {"crossover"}
    assert {(plan.parent, *plan.inspirations) for plan in crossed} == {
        (one.digest, other.digest) for one in members for other in members if one is not other
    }


def test_elites_that_all_behave_alike_are_not_crossed() -> None:
    assert {plan.operator for plan in plans(one_island(crossover=1.0), (member("a", 1.0), member("b", 1.1)))} == {
        "improve"
    }


def test_an_island_of_one_behaviour_crosses_with_another_island() -> None:
    strategy = Evolution(SearchSettings(strategy="evolution", islands=2, migrate_every=1000, crossover=1.0))
    members = (member("start", 1.0), member("b", 1.5, (1,), 1))
    assert strategy.ask(View(0, "b", members)) == Plan("crossover", "start", ("b",), island=0)


def test_by_rank_the_best_of_three_is_drawn_half_the_time() -> None:
    members = (member("a", 1.2, (0,)), member("b", 1.1, (1,)), member("c", 1.0, (2,)))
    counted = Counter(plan.parent for plan in plans(one_island(), members, 1200))
    # Three standard deviations around a half, a third and a sixth.
    assert counted == {
        "a": pytest.approx(600, abs=52),
        "b": pytest.approx(400, abs=49),
        "c": pytest.approx(200, abs=39),
    }


def test_softmax_draws_by_how_much_better_the_best_is() -> None:
    close = (member("a", 2.0, (0,)), member("b", 1.99, (1,)), member("c", 1.0, (2,)))
    cold = one_island(selection="softmax", temperature=0.1)
    counted = Counter(plan.parent for plan in plans(cold, close, 1000))
    assert counted["a"] + counted["b"] == 1000
    assert counted["b"] > 400
    assert {plan.parent for plan in plans(one_island(selection="softmax", temperature=0.001), close)} == {"a"}


def test_softmax_is_over_the_first_part_of_fitness_that_tells_any_apart() -> None:
    unmeasured = (Member("a", (0.0, 1.0, 0.0, 0.0, 0.9), (0,)), Member("b", (0.0, 1.0, 0.0, -2.0, 1.0), (1,)))
    cold = one_island(selection="softmax", temperature=0.05)
    assert {plan.parent for plan in plans(cold, unmeasured)} == {"a"}


def test_inspirations_are_elites_and_at_most_so_many() -> None:
    members = tuple(member(name, 1.0 + place / 10, (place,)) for place, name in enumerate("abcde"))
    for plan in plans(one_island(crossover=0.5, inspirations=2), members):
        assert len(plan.inspirations) == 2
        assert plan.parent not in plan.inspirations
        assert set(plan.inspirations[1:] if plan.operator == "crossover" else plan.inspirations) <= {"c", "d", "e"}


def test_without_code_it_asks_each_island_for_a_draft() -> None:
    asked = [Evolution(LONG).ask(View(number, "")) for number in range(3)]
    assert [(plan.operator, plan.parent, plan.island) for plan in asked] == [
        ("draft", "", 0),
        ("draft", "", 1),
        ("draft", "", 2),
    ]


def test_another_seed_is_another_search() -> None:
    seeded = [Run(Evolution(LONG.model_copy(update={"seed": seed}))).go(30).plans for seed in (0, 0, 1)]
    assert seeded[0] == seeded[1]
    assert seeded[0] != seeded[2]


def test_it_leaves_a_hill_that_greedy_stays_on() -> None:
    """A wall of slower members lies between the start and the fastest: only who keeps these comes over."""

    def wall(plan: Plan) -> Member | None:
        found = hills(replace(plan, island=0))
        if found is None:
            return None
        height = 1 + int(plan.parent.partition("-")[0]) if "-" in plan.parent else 1
        speed = 3.0 if height == 3 else 1.0 - height / 10
        return Member(f"{height}-{found.digest}", (1.0, speed), (height,), plan.island)

    from harness.search.greedy import Greedy

    assert {each.fitness[1] for each in Run(Greedy(), wall).go(40).view.members} == {1.0, 0.9}
    assert max(each.fitness[1] for each in Run(one_island(), wall).go(40).view.members) == 3.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"crossover": 0.7, "explore": 0.4}, "come to more than 1"),
        ({"islands": 9, "rounds": 8}, r"search\.islands=9 with search\.rounds=8"),
    ],
)
def test_impossible_parameters_are_refused(changes: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Evolution(LONG.model_copy(update=changes))
