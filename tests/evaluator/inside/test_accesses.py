"""Accesses in Triton's intermediate code, constructed; tests of compilation follow the pointers of compiled kernels."""

import pytest
import torch

from evaluator.inside.accesses import Accesses, moved_bytes, read

HEAD = "module {\n  tt.func public @k(%x: !tt.ptr<f32>, %y: !tt.ptr<f32>, %n: i32) attributes {noinline = false} {\n"
LOAD = "    %0 = tt.splat %x : !tt.ptr<f32> -> tensor<8x!tt.ptr<f32>>\n    %1 = tt.load %0 : tensor<8x!tt.ptr<f32>>\n"
CALL = "    %2 = tt.call @helper(%y) : (!tt.ptr<f32>) -> f32\n"
TAIL = "    tt.return\n  }\n}\n"


def test_a_pointer_that_leaves_the_code_leaves_everything_unknown() -> None:
    assert read(HEAD + LOAD + CALL + TAIL) is None
    assert read("") is None


def test_what_is_only_handed_over_is_not_moved() -> None:
    assert read(HEAD + LOAD + TAIL) == Accesses(frozenset({"x"}), frozenset(), dots=False)


def test_pointers_that_change_places_in_a_loop_are_both() -> None:
    loop = """    %2:2 = scf.for %i = %n to %n step %n iter_args(%a = %x, %b = %y) -> (!tt.ptr<f32>) : i32 {
      %3 = tt.load %a : !tt.ptr<f32>
      tt.store %b, %3 : !tt.ptr<f32>
      scf.yield %b, %a : !tt.ptr<f32>, !tt.ptr<f32>
    }
"""
    both = frozenset({"x", "y"})
    assert read(HEAD + loop + TAIL) == Accesses(both, both, dots=False)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (torch.zeros(8, 4), torch.zeros(8, 4).half(), (128, 64)),
        (torch.zeros(1, 4).expand(8, 4), torch.zeros(0), (16, 0)),
        (torch.zeros(8, 4)[2:4], 3.5, (32, 0)),
        (None, torch.zeros(4).unfold(0, 2, 1), (0, 16)),  # windows overlap: no more than there is
    ],
)
def test_bytes_of_arguments(x: object, y: object, expected: tuple[int, int]) -> None:
    accesses = Accesses(frozenset({"x"}), frozenset({"y"}), dots=False)
    assert moved_bytes({"x": x, "y": y, "n": 8}, accesses) == expected
