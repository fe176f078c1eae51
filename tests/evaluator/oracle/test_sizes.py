"""The task at other sizes."""

from pathlib import Path

import pytest
import torch

from evaluator.catalog import load_task, load_tolerance, task_names
from evaluator.errors import UsageError
from evaluator.oracle.reference import Reference
from evaluator.oracle.sizes import combinations, elements, ladder, small_reference, variants
from evaluator.tasks import Task

CONF = Path(__file__).parents[3] / "conf"
REFERENCE = """
import torch
import torch.nn as nn

ROWS = 4096
WIDTH = 1024
HALF = WIDTH // 2

class Model(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, 3)

    def forward(self, x):
        return self.layer(x)

def get_inputs():
    return [torch.randn(ROWS, 2 * HALF)]

def get_init_inputs():
    return [2 * HALF]
"""


def task(vary: dict[str, tuple[int, ...]]) -> Task:
    return Task(
        name="t",
        reference=REFERENCE,
        path=Path("t.py"),
        small={"ROWS": 4, "WIDTH": 6},
        vary=vary,
        tolerance=load_tolerance("standard", CONF),
    )


def test_first_values_together_then_second_ones_and_the_last_one_again() -> None:
    assert combinations({"ROWS": (1, 2, 3), "WIDTH": (10, 20)}) == [
        {"ROWS": 1, "WIDTH": 10},
        {"ROWS": 2, "WIDTH": 20},
        {"ROWS": 3, "WIDTH": 20},
    ]
    assert combinations({}) == []


def test_in_the_interpreter_the_others_stay_small() -> None:
    (variant,) = variants(task({"ROWS": (5,)}), "cpu")
    assert str(variant) == "ROWS=5"
    assert variant.reference is not None
    assert variant.reference.inputs(0)[0].shape == (5, 6)


def test_what_is_derived_from_a_size_follows_it() -> None:
    (variant,) = variants(task({"WIDTH": (10,)}), "cpu")
    assert variant.reference is not None
    inputs = variant.reference.inputs(0)
    _, (out,) = variant.reference.run(variant.reference.model(0), inputs)
    assert (inputs[0].shape, out.shape) == ((4, 10), (4, 3))


def test_what_is_too_large_for_the_interpreter_is_left_out() -> None:
    (variant,) = variants(task({"WIDTH": (2**20,)}), "cpu")
    assert variant.reference is None


def test_sizes_that_the_reference_does_not_take_are_the_persons_to_mend() -> None:
    with pytest.raises(UsageError, match="WIDTH=10"):
        list(
            variants(
                task({"WIDTH": (10,)}).model_copy(update={"reference": REFERENCE.replace("[2 * HALF]", "[6]")}), "cpu"
            )
        )


def test_where_nobody_named_small_sizes_the_first_check_is_of_some_hundred_elements_and_larger_ones_follow() -> None:
    unnamed = task({}).model_copy(update={"small": {}})
    first = small_reference(unnamed)
    assert isinstance(first, Reference)
    assert 512 <= elements(first) < 4096
    rungs = ladder(unnamed, first)
    counts = [rung.elements for rung in rungs]
    assert rungs[0].reference is first
    assert counts == sorted(set(counts))
    assert counts[1] < 8 * counts[0]
    assert 1 << 15 < counts[-1] <= 1 << 16


FIXED = """
import torch

BATCH = 4096
WIDTH = 10000

class Model(torch.nn.Module):
    def forward(self, x):
        assert x.shape[1] == 7 * 32
        return x * 2

def get_inputs():
    return [torch.randn(BATCH, 224, WIDTH)]

def get_init_inputs():
    return []
"""


def test_what_is_written_out_and_can_not_change_keeps_nothing_else_from_changing() -> None:
    unnamed = task({}).model_copy(update={"small": {}, "reference": FIXED})
    first = small_reference(unnamed)
    assert isinstance(first, Reference)
    assert set(first.sizes) == {"BATCH", "WIDTH"}
    assert first.inputs(0)[0].shape[1] == 224


def test_a_module_that_is_small_comes_as_it_is_where_its_sizes_can_not_be_changed() -> None:
    written = FIXED.replace("BATCH, 224, WIDTH", "*Model.shape").replace("BATCH = 4096\nWIDTH = 10000\n", "")
    small = written.replace("(torch.nn.Module):", "(torch.nn.Module):\n    shape = (25, 224, 33)")
    first = small_reference(task({}).model_copy(update={"small": {}, "reference": small}))
    assert isinstance(first, Reference)
    assert first.sizes == {}


def test_what_varies_is_part_of_the_tasks_identity() -> None:
    assert task({"ROWS": (5,)}).digest != task({"ROWS": (6,)}).digest


@pytest.mark.parametrize("name", task_names(CONF))
def test_bundled_references_run_at_their_other_sizes(name: str) -> None:
    widths = []
    for variant in variants(load_task(name, CONF), "cpu"):
        assert variant.reference is not None
        _, (out,) = variant.reference.run(variant.reference.model(0), variant.reference.inputs(0))
        assert torch.isfinite(out).all()
        widths.append(out.shape[-1])
    assert len(widths) == 2
    assert any(width & (width - 1) for width in widths), "one is ragged"
