from harness.search.base import Member, Plan, Told, View
from harness.search.greedy import Greedy


def test_it_improves_the_current_code_and_numbers_equal_questions() -> None:
    first = Greedy().ask(View(0, "a"))
    second = Greedy().ask(View(1, "a", pending=(first,)))
    told = Told(first, Member("b", (1.0,)), progress=True)
    assert (first, second) == (Plan("improve", "a"), Plan("improve", "a", sample=1))
    assert Greedy().ask(View(2, "b", told=(told,), pending=(second,))) == Plan("improve", "b")


def test_without_code_it_asks_for_a_draft() -> None:
    assert Greedy().ask(View(0, "")) == Plan("draft", "")
