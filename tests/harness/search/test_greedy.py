from harness.search.base import Member, Plan, Told, View
from harness.search.greedy import Greedy
from harness.settings import SearchSettings
from tests.harness.search.landscape import Run


def test_it_improves_the_current_code_and_numbers_equal_questions() -> None:
    first = Greedy().ask(View(0, "a"))
    second = Greedy().ask(View(1, "a", pending=(first,)))
    told = Told(first, Member("b", (1.0,)), progress=True)
    assert (first, second) == (Plan("improve", "a"), Plan("improve", "a", sample=1))
    assert Greedy().ask(View(2, "b", told=(told,), pending=(second,))) == Plan("improve", "b")


def test_without_code_it_asks_for_a_draft() -> None:
    assert Greedy().ask(View(0, "")) == Plan("draft", "")


def test_every_parent_is_the_best_of_what_was_answered_before() -> None:
    run = Run(Greedy()).go(20)
    speeds, parents = {"start": 1.0}, []
    for told in run.view.told:
        parents.append(max(speeds, key=lambda digest: speeds[digest]))
        speeds |= {told.member.digest: told.member.fitness[1]} if told.member else {}
    assert [plan.parent for plan in run.plans] == parents
    assert len(set(parents)) > 2


def test_the_best_others_inspire_if_that_is_asked_for() -> None:
    members = (Member("a", (1.0, 2.0)), Member("b", (1.0, 1.0)), Member("c", (1.0, 1.5)))
    plan = Greedy(SearchSettings(inspirations=1)).ask(View(0, "a", members))
    assert plan == Plan("improve", "a", ("c",))
