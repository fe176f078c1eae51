"""Bytes and FLOPs of tasks: counted on fake tensors, so that gigabytes cost nothing."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from evaluator.catalog import load_task, load_tolerance
from evaluator.inside.operators import Operators
from evaluator.oracle.costs import Costs, count
from evaluator.tasks import Task
from evaluator.work import TaskCost

CONF = Path(__file__).parents[3] / "conf"


def cost(task: Task) -> TaskCost:
    found = count(task)
    assert isinstance(found, TaskCost), found
    return found


def task(body: str, inputs: str, init: str = "") -> Task:
    reference = f"""import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        {init or "pass"}

    def forward(self, x):
        {body}


def get_inputs():
    return [{inputs}]


def get_init_inputs():
    return []
"""
    return Task(name="t", reference=reference, path=Path("t.py"), tolerance=load_tolerance("standard", CONF))


def test_the_default_tasks_convolution_is_known_apart_from_its_tail() -> None:
    found = cost(load_task("convtranspose_layernorm_gelu", CONF))
    assert found.contractions == {"convolution": 137_438_953_472}
    weights = (32 * 64 * 4**3 + 64 + 64 + 64) * 4
    assert found.read_bytes == 32 * 32 * 16 * 32 * 32 * 4 + weights
    assert found.written_bytes == 4_194_304 * 64 * 4
    tail = sum(found.elementwise.values())
    assert {"native_layer_norm", "gelu", "mul"} == set(found.elementwise)
    assert tail < sum(found.contractions.values()) / 10


@pytest.mark.parametrize(
    ("name", "moved", "flops"),
    [
        ("softmax", 2 * 201_342_976, 0),
        ("matmul_bias_relu", 2 * (2 * 4096 * 2048 + 4096 + 4096 * 4096), 2 * 4096 * 2048 * 4096),
        ("swiglu", 360_710_144 + 180_355_072, 0),
        ("layernorm_gelu_scale", 2 * 4_194_304 * 64 * 4 + 2 * 64 * 4, 0),
    ],
)
def test_bundled_tasks(name: str, moved: int, flops: int) -> None:
    found = cost(load_task(name, CONF))
    assert found.bytes == moved
    assert sum(found.contractions.values()) == flops


def test_a_parameter_that_nobody_reads_and_a_view_cost_nothing() -> None:
    unread = task("return x.t()[:4] * 2", "torch.rand(8, 16)", "self.idle = nn.Parameter(torch.ones(1000))")
    found = cost(unread)
    assert (found.read_bytes, found.written_bytes) == (4 * 8 * 4, 4 * 8 * 4)
    assert found.elementwise == {"mul": 32}


def test_two_halves_of_an_input_are_two_reads_and_the_same_half_twice_is_one() -> None:
    halves = cost(task("a, b = x.chunk(2, dim=1); return torch.sigmoid(a) * b + a", "torch.rand(8, 16)"))
    assert (halves.read_bytes, halves.written_bytes) == (8 * 16 * 4, 8 * 8 * 4)
    assert cost(task("return x.t() * 2 + x.t()", "torch.rand(8, 8)")).read_bytes == 8 * 8 * 4


def test_of_a_table_no_more_is_read_than_comes_out() -> None:
    looked_up = task("return self.table(x)", "torch.zeros(10, dtype=torch.int64)", "self.table = nn.Embedding(9999, 8)")
    found = cost(looked_up)
    assert found.read_bytes == 10 * 8 * 4 + 10 * 8
    assert found.written_bytes == 10 * 8 * 4


def test_an_input_that_is_returned_is_not_written() -> None:
    assert cost(task("return x, x + 1", "torch.rand(64)")).written_bytes == 64 * 4


def test_products_with_vectors_are_counted_too() -> None:
    assert cost(task("return torch.mv(x, x[0])", "torch.rand(30, 30)")).contractions == {"mv": 2 * 900}
    assert cost(task("return torch.dot(x, x)", "torch.rand(30)")).contractions == {"dot": 60}


def test_the_widest_type_is_the_tasks() -> None:
    assert cost(task("return x @ x", "torch.rand(8, 8).half()")).dtype == "float16"
    assert cost(task("return (x @ x).float()", "torch.rand(8, 8).half()")).dtype == "float32"


def test_contractions_are_torchs_own_count() -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 10), torch.nn.Linear(10, 10)
    )
    x = torch.rand(2, 3, 8, 8)
    with torch.no_grad(), FlopCounterMode(display=False) as theirs:
        model(x)
    with torch.no_grad(), Operators(None) as ours:
        model(x)
    assert sum(ours.flops.values()) == theirs.get_total_flops()
    assert set(ours.flops) == {"convolution", "addmm"}


def test_attention_is_two_products() -> None:
    attention = "return nn.functional.scaled_dot_product_attention(x, x, x)"
    (found,) = cost(task(attention, "torch.rand(2, 4, 16, 8)")).contractions.values()
    assert found == 2 * 2 * 2 * 4 * 16 * 16 * 8


def test_control_flow_that_depends_on_data_is_said_to_be_uncountable() -> None:
    branching = task("return x if x.sum() > 0 else -x", "torch.rand(8)")
    found = Costs().of(branching)
    assert isinstance(found, str)
    assert "does not run on fake tensors" in found
