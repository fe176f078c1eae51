import pytest

from evaluator.errors import UsageError
from harness.search.base import Member, Plan, Told, View
from harness.search.best_of_n import BestOfN
from harness.settings import SearchSettings
from tests.harness.search.landscape import Run

FOUR = BestOfN(SearchSettings(strategy="best_of_n", width=4, rounds=20))


def told(plan: Plan, digest: str = "", speed: float = 1.0) -> Told:
    return Told(plan, Member(digest, (1.0, speed)) if digest else None, progress=bool(digest))


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_each_generation_has_one_parent_and_different_samples(concurrency: int) -> None:
    run = Run(FOUR, concurrency=concurrency).go(20)
    for first in range(0, 20, 4):
        generation = run.plans[first : first + 4]
        assert len({plan.parent for plan in generation}) == 1
        assert len({plan.sample for plan in generation}) == 4


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_the_best_of_all_answers_becomes_the_next_parent(concurrency: int) -> None:
    run = Run(FOUR, concurrency=concurrency).go(20)
    for first in range(4, 20, 4):
        answered = run.view.told[:first]  # a generation is answered before the next one is asked for
        speeds = {"start": 1.0} | {each.member.digest: each.member.fitness[1] for each in answered if each.member}
        assert run.plans[first].parent == max(speeds, key=lambda digest: speeds[digest])


def test_it_waits_for_the_last_answer_of_a_generation() -> None:
    plans = [Plan("improve", "a", sample=sample) for sample in range(4)]
    answers = [told(plans[2], "b", 1.2), told(plans[0]), told(plans[3], "c", 1.1)]
    open_ = View(4, "b", (), tuple(answers), (plans[1],))
    assert FOUR.ask(open_) is None
    assert FOUR.ask(View(4, "b", (), (*answers, told(plans[1])))) == Plan("improve", "b")


def test_a_generation_keeps_its_parent_though_a_better_one_is_there() -> None:
    plans = [Plan("improve", "a", sample=sample) for sample in range(2)]
    assert FOUR.ask(View(2, "b", (), (told(plans[1], "b", 1.2),), (plans[0],))) == Plan("improve", "a", sample=2)


def test_repairs_belong_to_what_they_repair() -> None:
    plans = [Plan("improve", "a", sample=sample) for sample in range(3)]
    repair = told(Plan("repair", "x"), "b", 1.3)
    answers = (told(plans[0]), repair, told(plans[1]), told(plans[2]))
    assert FOUR.ask(View(4, "b", (), answers)) == Plan("improve", "a", sample=3)
    last = told(Plan("improve", "a", sample=3))
    assert FOUR.ask(View(5, "b", (), (*answers, last), (Plan("repair", "y"),))) is None


def test_a_generation_longer_than_a_stage_is_refused() -> None:
    with pytest.raises(UsageError, match=r"search\.width=9 with search\.rounds=8"):
        BestOfN(SearchSettings(strategy="best_of_n", width=9))
