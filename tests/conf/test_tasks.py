"""The bundled tasks: the references run (they are our own and trusted), the starting candidates are only parsed."""

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from evaluator.catalog import load_task, task_names
from evaluator.shrink import integers, override_integers
from evaluator.tasks import Task

CONF = Path(__file__).parents[2] / "conf"
NAMES = task_names(CONF)
TRUE_SHAPES = {
    "convtranspose_layernorm_gelu": ((32, 32, 16, 32, 32), (32, 64, 32, 64, 64)),
    "layernorm_gelu_scale": ((32, 64, 32, 64, 64), (32, 64, 32, 64, 64)),
    "matmul_bias_relu": ((4096, 2048), (4096, 4096)),
    "rmsnorm": ((8192, 5120), (8192, 5120)),
    "softmax": ((4096, 12289), (4096, 12289)),
    "swiglu": ((8192, 11008), (8192, 5504)),
}


def run(source: str) -> tuple[torch.Tensor, torch.Tensor, torch.nn.Module]:
    """First input, output and model of a reference."""
    module: dict[str, Any] = {"__name__": "reference"}
    exec(compile(source, "reference", "exec"), module)
    model = module["Model"](*module["get_init_inputs"]())
    inputs = module["get_inputs"]()
    with torch.no_grad():
        return inputs[0], model(*inputs), model


def candidate_class(task: Task) -> ast.ClassDef:
    tree = ast.parse(task.start)
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "ModelNew")


def test_the_six_tasks_are_there() -> None:
    assert set(NAMES) == set(TRUE_SHAPES)


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_runs_at_its_small_sizes(name: str) -> None:
    task = load_task(name, CONF)
    x, out, _ = run(override_integers(task.reference, task.small))
    assert torch.isfinite(out).all()
    assert out.std() > 0
    assert x.numel() < 100_000
    largest = max(integers(task.reference)[size] for size in task.small)
    assert max(task.small.values()) < largest


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_has_its_true_sizes(name: str) -> None:
    with FakeTensorMode():
        x, out, _ = run(load_task(name, CONF).reference)
    assert (tuple(x.shape), tuple(out.shape)) == TRUE_SHAPES[name]
    assert out.dtype is x.dtype


@pytest.mark.parametrize("name", NAMES)
def test_small_sizes_are_ragged_where_a_kernel_has_masks(name: str) -> None:
    task = load_task(name, CONF)
    _, out, _ = run(override_integers(task.reference, task.small))
    width = out.shape[-1]
    assert width & (width - 1)


def test_the_default_task_is_as_described() -> None:
    task = load_task("convtranspose_layernorm_gelu", CONF)
    with FakeTensorMode():
        x, out, model = run(task.reference)
    conv: Any = model.conv
    assert isinstance(conv, torch.nn.ConvTranspose3d)
    assert (conv.in_channels, conv.out_channels, conv.kernel_size[0], conv.stride[0]) == (32, 64, 4, 2)
    assert conv.padding[0] == 1
    assert out.numel() // out.shape[-1] == 4_194_304
    assert out.shape[-1] == 64
    assert x.dtype is torch.float32
    assert 2 * out.numel() * 4 == pytest.approx(2.15e9, rel=0.002)  # bytes that the fused tail must move


@pytest.mark.parametrize("name", NAMES)
def test_a_start_is_called_as_its_reference_is(name: str) -> None:
    task = load_task(name, CONF)
    module: dict[str, Any] = {"__name__": "reference"}
    exec(compile(task.reference, "reference", "exec"), module)
    methods = {node.name: node for node in candidate_class(task).body if isinstance(node, ast.FunctionDef)}
    forward = [argument.arg for argument in methods["forward"].args.args]
    assert len(forward) == len(inspect.signature(module["Model"].forward).parameters)
    init = [argument.arg for argument in methods["__init__"].args.args[1:]] if "__init__" in methods else []
    assert len(init) == len(module["get_init_inputs"]())


@pytest.mark.parametrize("name", NAMES)
def test_a_start_registers_the_reference_parameters_under_their_names(name: str) -> None:
    task = load_task(name, CONF)
    with FakeTensorMode():
        _, _, model = run(task.reference)
    assigned = [
        node.targets[0].attr
        for node in ast.walk(candidate_class(task))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
    ]
    owners = list(dict.fromkeys(parameter.split(".")[0] for parameter, _ in model.named_parameters()))
    assert [attribute for attribute in assigned if attribute in owners] == owners


@pytest.mark.parametrize("name", NAMES)
def test_a_start_keeps_to_the_output_rules(name: str) -> None:
    tree = ast.parse(load_task(name, CONF).start)
    kinds = [
        "import"
        if isinstance(node, ast.Import)
        else "kernel"
        if isinstance(node, ast.FunctionDef) and node.decorator_list
        else "wrapper"
        if isinstance(node, ast.FunctionDef)
        else "class"
        for node in tree.body
    ]
    assert list(dict.fromkeys(kinds)) == ["import", "kernel", "wrapper", "class"]
    assert [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names] == [
        "torch",
        "torch.nn",
        "triton",
        "triton.language",
    ]
