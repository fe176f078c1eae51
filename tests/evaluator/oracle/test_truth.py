"""What is expected of an output, and what becomes of it where float64 does not fit into memory."""

from typing import Any

import torch

from evaluator.oracle.reference import Reference
from evaluator.oracle.truth import Expected, expect

HEAD = """
import torch
import torch.nn as nn

def get_init_inputs():
    return []
"""
ROWS = (
    HEAD
    + """
class Model(nn.Module):
    def forward(self, x, gain):
        return torch.softmax(x * gain, dim=-1)

def get_inputs():
    return [torch.randn(64, 100), torch.randn(100)]
"""
)
ACROSS = ROWS.replace("torch.softmax(x * gain, dim=-1)", "(x - x.mean(dim=0)) * gain")
PRODUCT = (
    HEAD
    + """
class Model(nn.Module):
    def forward(self, a, b):
        return a @ b

def get_inputs():
    return [torch.randn(64, 64), torch.randn(64, 64)]
"""
)
IN_PLACE = ROWS.replace("torch.softmax(x * gain, dim=-1)", "x.mul_(gain)")


def expected(source: str, cap_gb: float | None = None) -> tuple[Expected, list[Any], Reference]:
    reference = Reference(source, "reference.py", "cpu")
    found = expect(reference, reference.model(0), lambda: reference.inputs(5), cap_gb)
    return found, reference.inputs(5), reference


def fitting(rows: float) -> float:
    """A cap in GiB under which `rows` of the 64 rows of ROWS fit."""
    needed = 8 * (64 * 100 + 100) + 8 * 3 * 64 * 100
    return needed / 2**30 * rows / 64


def test_the_truth_is_float64_of_everything_where_that_fits() -> None:
    found, (x, gain), _ = expected(ROWS)
    assert found.rows is None
    assert found.note == ""
    torch.testing.assert_close(found.truth[0], torch.softmax(x.double() * gain.double(), dim=-1))


def test_a_part_of_the_batch_is_checked_where_the_whole_does_not_fit() -> None:
    found, (x, gain), reference = expected(ROWS, fitting(20.5))
    assert found.rows is not None
    assert found.rows.stop - found.rows.start == 20
    assert "20 of 64 rows" in found.note
    assert reference.independent is True
    torch.testing.assert_close(found.truth[0], torch.softmax(x.double() * gain.double(), dim=-1)[found.rows])
    assert found.own[0].shape == (64, 100)


def test_other_rows_are_taken_each_time() -> None:
    starts = {found.rows.start for found, _, _ in (expected(ROWS, fitting(4.5)) for _ in range(12)) if found.rows}
    assert len(starts) > 1


def test_rows_that_depend_on_each_other_are_found_out_by_experiment() -> None:
    found, _, _ = expected(ACROSS, fitting(20.5))
    assert found.rows is None
    assert found.truth is found.own
    assert "not independent" in found.note


def test_an_input_that_only_looks_like_a_batch_is_kept_whole() -> None:
    found, (a, b), _ = expected(PRODUCT, fitting(20.5))
    assert found.rows is not None
    torch.testing.assert_close(found.truth[0], (a.double() @ b.double())[found.rows])


def test_not_even_a_row() -> None:
    found, _, _ = expected(ROWS, fitting(0.5))
    assert "not even one row" in found.note
    assert found.truth is found.own


def test_a_reference_that_can_not_run_in_float64_is_its_own_truth() -> None:
    strict = ROWS.replace("return torch", "assert x.dtype is torch.float32\n        return torch")
    found, _, _ = expected(strict)
    assert "does not run in float64" in found.note
    assert found.truth is found.own


def test_a_reference_that_works_in_place_is_given_fresh_inputs() -> None:
    found, (x, gain), _ = expected(IN_PLACE)
    torch.testing.assert_close(found.truth[0], x.double() * gain.double())
