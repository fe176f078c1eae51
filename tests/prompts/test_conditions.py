"""The language of conditions: three values, what it refuses, how it explains itself."""

import pytest

from prompts.conditions import ConditionError, check, evaluate, evidence, explain, names

FACTS = {"yes": True, "no": False, "low": 48, "high": 140.5, "word": "registers", "gap": None}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", True),
        ("low < 96", True),
        ("high < 96", False),
        ("gap < 96", None),
        ("absent < 96", None),
        ("40 <= low <= 50", True),
        ("40 <= gap <= 50", None),
        ("50 <= low <= gap", False),
        ("low > -1", True),
        ("high == 140.5 and low != 47", True),
        ('word == "registers"', True),
        ('word != "warps" and yes', True),
        ("yes and yes", True),
        ("yes and no", False),
        ("yes and gap", None),
        ("no and gap", False),
        ("gap and no", False),
        ("gap and gap", None),
        ("no or no", False),
        ("yes or gap", True),
        ("gap or yes", True),
        ("no or gap", None),
        ("not yes", False),
        ("not no", True),
        ("not gap", None),
        ("not (gap and no)", True),
        ("(no or yes) and not (low > 50)", True),
        ("gap == gap", None),
        ("yes == True", True),
    ],
)
def test_three_values(expression: str, expected: bool | None) -> None:
    assert evaluate(expression, FACTS) is expected


@pytest.mark.parametrize(
    "expression",
    [
        "low <",
        "__import__('os')",
        "low.real < 1",
        "low + 1 < 3",
        "low in (1, 2)",
        "word is word",
        "[low] == [48]",
        "low if yes else high",
        "(low := 3) < 4",
        "lambda: yes",
        "f'{word}' == 'registers'",
        "-word == 1",
        "-True == 1",
        "b'x' == word",
        "None == gap",
        "2j == low",
        "low < 1; high",
        "not " * 300 + "yes",
    ],
)
def test_refuses_what_is_not_a_comparison(expression: str) -> None:
    with pytest.raises(ConditionError) as caught:
        evaluate(expression, FACTS)
    assert caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "expression", ["low", "word", "low and yes", "word < 3", "word > low", "yes < no", "word == 3"]
)
def test_refuses_values_of_the_wrong_kind(expression: str) -> None:
    with pytest.raises(ConditionError):
        evaluate(expression, FACTS)
    with pytest.raises(ConditionError):
        check(expression, {"low": "number", "yes": "flag", "no": "flag", "word": "word"})


def test_checks_branches_that_are_never_reached() -> None:
    kinds = {"low": "number", "yes": "flag"}
    check("yes or low < 3", kinds)  # type: ignore[arg-type]
    with pytest.raises(ConditionError, match="lwo"):
        check("yes or lwo < 3", kinds)  # type: ignore[arg-type]


def test_names() -> None:
    assert names("registers < 96 and (spill_bytes == 0 or not compute_bound)") == {
        "registers",
        "spill_bytes",
        "compute_bound",
    }
    assert names('limited_by == "registers"') == {"limited_by"}
    assert names("") == frozenset()


@pytest.mark.parametrize(
    ("expression", "facts", "expected"),
    [
        (
            "registers < 96 and spill_bytes == 0",
            {"registers": 48, "spill_bytes": 0},
            "registers 48 < 96, spill_bytes 0 == 0: applies",
        ),
        (
            "registers < 96 and spill_bytes == 0",
            {"registers": 140, "spill_bytes": 0},
            "registers 140 >= 96: does not apply",
        ),
        ("registers < 96 and spill_bytes == 0", {"registers": 140}, "registers 140 >= 96: does not apply"),
        ("registers < 96 and spill_bytes == 0", {"registers": 48}, "registers 48 < 96, spill_bytes unknown"),
        ("sm_throughput >= 75", {}, "sm_throughput unknown"),
        ("registers > 128 or register_limited", {"registers": 140}, "registers 140 > 128: applies"),
        (
            "registers > 128 or register_limited",
            {"registers": 40, "register_limited": False},
            "registers 40 <= 128, register_limited is false: does not apply",
        ),
        ("not register_limited", {"register_limited": False}, "register_limited is false: applies"),
        ('status == "timeout"', {"status": "crashed"}, 'status "crashed" != "timeout": does not apply'),
        ("sm_throughput < 75", {"sm_throughput": 74.9999}, "sm_throughput 74.9999 < 75: applies"),
        ("grid_size > 5", {"grid_size": 4194304.0}, "grid_size 4194304 > 5: applies"),
        ("", {}, "always applies"),
    ],
)
def test_explains_with_the_deciding_values(expression: str, facts: dict[str, object], expected: str) -> None:
    assert explain(expression, facts) == expected


def test_evidence_of_a_chain_names_the_failing_link() -> None:
    assert evidence("1 < low < 10", FACTS) == "low 48 >= 10"
