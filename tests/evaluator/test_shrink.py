import ast

import pytest

from evaluator.errors import UsageError
from evaluator.shrink import CAPS, changeable, descend, halvings, integers, override_integers, shrinkings

SOURCE = '''"""Größen: two bytes a letter before the first name."""
é = "ü"; A = B = 4
N: int = 2**12
x, (y, z) = 64, (1_000, -3)
shape = (128, 4000)
wide = (
    16
    * 2  # a comment inside
)
flag = True
DERIVED = A * N
huge = 10**10**10
ratio = 1.5


def inner():
    LOCAL = 77
    return LOCAL
'''


def evaluated(source: str) -> dict[str, object]:
    """What the plain assignments of our own test text bind."""
    bound: dict[str, object] = {}
    exec(source.replace("huge = 10**10**10\n", ""), bound)
    return bound


def test_integers_are_literals_at_module_level_and_elements_of_their_tuples() -> None:
    assert integers(SOURCE) == {
        "A": 4,
        "B": 4,
        "N": 4096,
        "x": 64,
        "y": 1000,
        "shape[0]": 128,
        "shape[1]": 4000,
        "wide": 32,
    }


def test_derived_values_follow_and_the_rest_stays() -> None:
    changed = override_integers(SOURCE, {"A": 7, "N": 8, "y": 5, "shape[1]": 9, "wide": 3})
    values = evaluated(changed)
    assert (values["A"], values["B"], values["N"], values["DERIVED"]) == (7, 7, 8, 56)
    assert (values["x"], values["y"], values["z"]) == (64, 5, -3)
    assert values["shape"] == (128, 9)
    assert values["wide"] == 3
    assert values["é"] == "ü"
    assert changed.splitlines()[0] == SOURCE.splitlines()[0]
    assert changed.endswith("    return LOCAL\n")


def test_every_binding_of_a_name_is_overridden() -> None:
    assert override_integers("N = 4\nN = 64\n", {"N": 9}) == "N = 9\nN = 9\n"


def test_lines_may_end_as_on_windows() -> None:
    assert override_integers("N = 64\r\nM = N\r\n", {"N": 9}) == "N = 9\r\nM = N\r\n"


def test_overriding_nothing_changes_nothing() -> None:
    assert override_integers(SOURCE, {}) == SOURCE


@pytest.mark.parametrize("name", ["LOCAL", "flag", "ratio", "z", "DERIVED", "shape", "shape[2]", "nothing"])
def test_only_module_level_integers_can_be_overridden(name: str) -> None:
    with pytest.raises(UsageError) as failure:
        override_integers(SOURCE, {name: 2})
    assert name in failure.value.problem
    assert "shape[0]" in failure.value.remedy


def test_a_file_without_integers_says_so() -> None:
    with pytest.raises(UsageError, match="it has none"):
        override_integers("x = 1.0\n", {"x": 2})


def test_shrinkings_keep_equal_ones_equal_and_small_ones_alone() -> None:
    source = "BATCH = 128\nIN = 4096\nOUT = 4096\nKERNEL = 3\nGROUPS = 8\n"
    candidates = list(shrinkings(source))
    assert candidates
    for candidate in candidates:
        assert "KERNEL" not in candidate
        assert "GROUPS" not in candidate
        if "IN" in candidate:
            assert candidate["IN"] == candidate["OUT"]
        assert all(value <= integers(source)[name] for name, value in candidate.items())


def test_the_first_shrinking_is_small_distinct_and_ragged_where_the_original_is() -> None:
    first = next(shrinkings("ROWS = 4096\nCOLUMNS = 12289\nDEPTH = 1000\n"))
    assert max(first.values()) <= 64
    assert len(set(first.values())) == 3
    assert first["ROWS"] & (first["ROWS"] - 1) == 0
    assert first["COLUMNS"] % 2 == 1
    assert first["DEPTH"] & (first["DEPTH"] - 1) != 0


def test_shrinkings_grow_are_bounded_and_do_not_repeat() -> None:
    source = "".join(f"S{index} = {1000 + 37 * index}\n" for index in range(40))
    candidates = list(shrinkings(source))
    assert len(candidates) <= 28
    assert all(candidates.count(candidate) == 1 for candidate in candidates)
    plain = [candidate["S0"] for candidate in candidates if len(set(candidate.values())) == 1 and len(candidate) > 1]
    assert plain == list(CAPS)


def test_divisibility_survives_in_some_shrinking() -> None:
    """Twelve heads over 768 features: some candidate must leave the one divisible by the other."""
    candidates = [c for c in shrinkings("ROWS = 4096\nHEADS = 12\nDIM = 768\n") if len(c) == 3]
    assert any(c["DIM"] % c["HEADS"] == 0 and c["DIM"] > c["HEADS"] for c in candidates)


def test_a_small_file_comes_as_it_is_first() -> None:
    assert next(shrinkings("N = 32\nM = 16\n")) == {}


def test_large_sizes_within_functions_are_not_taken_for_a_small_file() -> None:
    source = "def get_inputs():\n    return [torch.rand(4096, 4096)]\n"
    first, *_, last = shrinkings(source)
    assert 0 < first["4096 in get_inputs"] <= 8
    assert last == {}, "it may be small enough all the same"


WRITTEN_OUT = """
HEADS = 12

class Model:
    def __init__(self, wide, width=512):
        self.width = width

def get_inputs():
    return [torch.randn(256, 512), torch.randn(64, 12), torch.randn(256, 3)]

def get_init_inputs():
    return [64, 1000]
"""


def test_what_only_those_write_out_who_make_inputs_is_a_size() -> None:
    """A module that has 512 written into it has no other width, and HEADS may be meant by 12."""
    assert integers(WRITTEN_OUT) == {
        "HEADS": 12,
        "256 in get_inputs": 256,
        "64 in get_inputs": 64,
        "1000 in get_init_inputs": 1000,
    }
    changed = override_integers(WRITTEN_OUT, {"256 in get_inputs": 4, "64 in get_inputs": 9})
    assert "[torch.randn(4, 512), torch.randn(9, 12), torch.randn(4, 3)]" in changed
    assert "return [9, 1000]" in changed


def test_what_comes_out_parses() -> None:
    for candidate in shrinkings(SOURCE):
        ast.parse(override_integers(SOURCE, candidate))


def test_halvings_lower_the_largest_first_and_keep_equal_sizes_equal() -> None:
    sizes = {"A": 8, "B": 3, "C": 8}
    assert list(halvings(sizes)) == [
        {"A": 1, "B": 3, "C": 1},
        {"A": 4, "B": 3, "C": 4},
        {"A": 8, "B": 1, "C": 8},
    ]
    assert list(halvings({"A": 1})) == []


def test_what_may_be_lowered_is_what_is_no_kernel_size() -> None:
    assert changeable(SOURCE) == {"N": 4096, "x": 64, "y": 1000, "shape[0]": 128, "shape[1]": 4000, "wide": 32}


def test_a_descent_ends_where_nothing_lower_fails() -> None:
    asked: list[dict[str, int]] = []

    def fails(sizes: dict[str, int]) -> bool:
        asked.append(sizes)
        return sizes["A"] * sizes["B"] > 20

    assert descend({"A": 100, "B": 7}, fails) == {"A": 3, "B": 7}
    assert len(asked) == len({tuple(sizes.items()) for sizes in asked})
    assert descend({"A": 100, "B": 7}, lambda sizes: False) == {"A": 100, "B": 7}
    assert descend({}, lambda sizes: True) == {}
