import pytest

from evaluator.errors import UsageError
from harness.search.base import Member, Plan, Told, View
from harness.search.beam import Beam
from harness.search.greedy import Greedy
from harness.settings import SearchSettings
from tests.harness.search.landscape import Run


def beam(width: int, **more: int) -> Beam:
    return Beam(SearchSettings(strategy="beam", width=width, rounds=40, **more))


A, B, C, D = (Member(name, (1.0, speed)) for name, speed in (("a", 1.4), ("b", 1.3), ("c", 1.2), ("d", 1.1)))


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_only_the_best_few_are_improved(width: int, concurrency: int) -> None:
    run = Run(beam(width), concurrency=concurrency).go(40)
    answers = 0
    known = {"start": (1.0, 1.0)}
    for event in run.log:
        if event.answered:
            member = run.view.told[answers].member
            known |= {member.digest: member.fitness} if member else {}
            answers += 1
        else:
            kept = sorted(known, key=lambda digest: known[digest], reverse=True)[:width]
            assert event.plan.parent in kept


def test_as_long_as_nothing_enters_the_beam_its_members_take_turns() -> None:
    view, parents = View(0, "a", (A, B, C, D)), []
    for number in range(9):
        plan = beam(3).ask(view)
        parents.append(plan.parent)
        view = View(number + 1, "a", view.members, (*view.told, Told(plan, None, progress=False)))
    assert parents == ["a", "b", "c"] * 3


def test_with_plans_open_they_take_turns_too() -> None:
    view, parents = View(0, "a", (A, B, C, D)), []
    for number in range(4):
        plan = beam(3).ask(view)
        parents.append((plan.parent, plan.sample))
        view = View(number + 1, "a", view.members, (), (*view.pending, plan))
    assert parents == [("a", 0), ("b", 0), ("c", 0), ("a", 1)]


def test_who_enters_the_beam_is_next() -> None:
    turns = tuple(Told(Plan("improve", parent), None, progress=False) for parent in ("a", "b", "c"))
    entered = Member("e", (1.0, 1.25))
    assert beam(3).ask(View(3, "a", (A, B, C, entered), turns)).parent == "e"


def test_the_current_code_is_in_the_beam_whatever_its_fitness() -> None:
    assert [member.digest for member in beam(2).beam(View(0, "d", (A, B, C, D)))] == ["d", "a"]


def test_the_rest_of_the_beam_inspires() -> None:
    assert beam(3, inspirations=2).ask(View(0, "a", (A, B, C, D))) == Plan("improve", "a", ("b", "c"))


def test_a_beam_of_one_is_greedy() -> None:
    assert Run(beam(1)).go(40).plans == Run(Greedy()).go(40).plans


def test_a_beam_wider_than_a_stage_is_long_is_refused() -> None:
    with pytest.raises(UsageError, match=r"search\.width=41 with search\.rounds=40"):
        beam(41)
