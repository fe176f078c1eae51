"""What holds for every strategy: it is a function of the log, so a run that is gone on with is the run it was."""

import pytest

from harness.search.select import STRATEGIES, strategy
from harness.settings import SearchSettings
from tests.harness.search.landscape import Event, Run, view_of

SETTINGS = {
    "greedy": SearchSettings(rounds=60, inspirations=1),
    "best_of_n": SearchSettings(strategy="best_of_n", rounds=60, width=5, inspirations=2),
    "beam": SearchSettings(strategy="beam", rounds=60, width=3, inspirations=1),
    "evolution": SearchSettings(
        strategy="evolution", rounds=60, islands=2, migrate_every=5, crossover=0.3, explore=0.2, inspirations=2, seed=7
    ),
}
every_strategy = pytest.mark.parametrize("name", STRATEGIES)
alone_and_together = pytest.mark.parametrize("concurrency", [1, 4])


@every_strategy
@alone_and_together
def test_from_every_prefix_of_the_log_the_plans_are_the_same(name: str, concurrency: int) -> None:
    log = Run(strategy(SETTINGS[name]), concurrency=concurrency).go(60).log
    for length, event in enumerate(log):
        if not event.answered:
            assert strategy(SETTINGS[name]).ask(view_of(log[:length])) == event.plan


@every_strategy
def test_a_run_stopped_anywhere_and_gone_on_with_ends_as_if_undisturbed(name: str) -> None:
    whole = Run(strategy(SETTINGS[name])).go(40)
    for length in range(0, len(whole.log), 7):
        assert Run(strategy(SETTINGS[name]), log=list(whole.log[:length])).go(40).log == whole.log


@every_strategy
@alone_and_together
def test_the_order_of_answers_matters_through_the_log_alone(name: str, concurrency: int) -> None:
    one, other = (Run(strategy(SETTINGS[name]), concurrency=concurrency, order=order).go(40) for order in (1, 2))
    if concurrency == 1:
        assert one.log == other.log
        return
    assert one.log != other.log
    replayed: list[Event] = []
    for event in other.log:  # whoever follows the recorded order of answers makes the recorded plans
        replayed.append(event if event.answered else Event(strategy(SETTINGS[name]).ask(view_of(replayed)), False))
    assert replayed == other.log


@every_strategy
@alone_and_together
def test_no_question_is_asked_twice(name: str, concurrency: int) -> None:
    plans = Run(strategy(SETTINGS[name]), concurrency=concurrency).go(60).plans
    assert len({(plan.operator, plan.parent, plan.inspirations, plan.model, plan.sample) for plan in plans}) == 60
    assert all(plan.parent for plan in plans)


@every_strategy
@alone_and_together
def test_every_parent_and_inspiration_is_a_member_that_was_told(name: str, concurrency: int) -> None:
    log = Run(strategy(SETTINGS[name]), concurrency=concurrency).go(60).log
    for length, event in enumerate(log):
        known = {member.digest for member in view_of(log[:length]).members}
        assert {event.plan.parent, *event.plan.inspirations} <= known
