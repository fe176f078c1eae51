"""What tuning chose is read, set again, and described, with Triton's own autotuner on a stub driver.

Nothing is launched here: the times are constants, so the first configuration always wins. Tests on a GPU are marked.
"""

from typing import Any

import pytest

from tests.evaluator.inside.sessions import run_session

SECOND = {"kwargs": {"ROWS": 4}, "num_warps": 8, "num_stages": 3, "num_ctas": 1}
FIRST = {"kwargs": {"ROWS": 1}, "num_warps": 4, "num_stages": 2, "num_ctas": 1}


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    return run_session("pins", {})


def test_choices_are_read_for_each_key(answers: dict[str, Any]) -> None:
    entries = answers["chosen"]["layernorm"]
    assert [{name: value for name, value in entry.items() if name != "key"} for entry in entries] == [FIRST, FIRST]
    assert entries[0]["key"] != entries[1]["key"]


def test_a_pinned_tuner_tries_nothing_else(answers: dict[str, Any]) -> None:
    assert answers["pinned_configs"] == [SECOND]
    assert answers["pinned_trials"] == 1
    (kernel,) = answers["pinned_facts"]
    assert kernel["config"] == SECOND
    assert (kernel["num_warps"], kernel["grid"], kernel["launches"]) == (8, [1024], 1)


def test_facts_of_a_kernel_that_was_not_loaded_come_from_assembling_it_again(answers: dict[str, Any]) -> None:
    (kernel,) = answers["pinned_facts"]
    assert kernel["registers"] > 0
    assert kernel["spill_bytes"] == 0


def test_choices_that_differ_by_key_are_pinned_by_key(answers: dict[str, Any]) -> None:
    assert answers["by_key"] == [FIRST, SECOND, FIRST]
    assert answers["by_key_trials"] == 3
    assert answers["by_key_again"]


def test_a_choice_that_the_candidate_does_not_list_is_refused(answers: dict[str, Any]) -> None:
    assert "layernorm has no configuration" in answers["foreign"]
