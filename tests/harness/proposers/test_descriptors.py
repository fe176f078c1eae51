"""Matrix products by tensor descriptors: what is made of the bundled start, and what is left alone."""

import ast

import pytest

from harness.proposers.descriptors import by_descriptors
from harness.proposers.module import Module, NotRecognised
from harness.proposers.moves import moves
from harness.proposers.ordering import grouped
from harness.proposers.rewriting import read_kernels
from harness.proposers.tiles import Tiles
from tests.harness.proposers.test_moves import MATMUL, SOFTMAX, added

KERNEL, SIBLING = "matmul_bias_relu_kernel", "matmul_bias_relu_kernel_by_descriptors"
WRAPPED = (
    MATMUL.replace("rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)", "rows = (P) % M", 1)
    .replace("(P)", "(tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M))")
    .replace("mask=(rows[:, None] < M) & left[None, :]", "mask=left[None, :]")
)


def described(source: str = MATMUL) -> str:
    return by_descriptors(source, KERNEL)


def test_tiles_are_loaded_and_stored_by_descriptors_in_programs_that_stay() -> None:
    said = added(MATMUL, described())

    for line in (
        "x_tiles = tl.make_tensor_descriptor(x_ptr, [M, K], [K, 1], [BLOCK_M, BLOCK_K])",
        "weight_tiles = tl.make_tensor_descriptor(weight_ptr, [N, K], [K, 1], [BLOCK_N, BLOCK_K])",
        "out_tiles = tl.make_tensor_descriptor(out_ptr, [M, N], [N, 1], [BLOCK_M, BLOCK_N])",
        "for tile in tl.range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0), flatten=True):",
        "x = x_tiles.load([tile_m * BLOCK_M, start])",
        "weight = weight_tiles.load([tile_n * BLOCK_N, start]).T",
        "columns = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)",  # which the bias needs
        "out_tiles.store([tile_m * BLOCK_M, tile_n * BLOCK_N], result.to(out_ptr.dtype.element_ty))",
        "triton.set_allocator(scratch)",
    ):
        assert line in said, line
    assert not any("rows" in line or "inside" in line for line in said)  # which nothing needs any more


def test_the_kernel_stays_for_rows_that_a_descriptor_can_not_take() -> None:
    after = described()

    condition = next(line for line in added(MATMUL, after) if line.startswith("if "))
    asked = [f"{row}.element_size() % 16 == 0" for row in ("N * out", "K * x", "K * weight")]
    assert condition == f"if {' and '.join(asked)}:"
    tree = ast.parse(after)
    functions = {node.name: ast.dump(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    before = {node.name: ast.dump(node) for node in ast.walk(ast.parse(MATMUL)) if isinstance(node, ast.FunctionDef)}
    assert functions[KERNEL] == before[KERNEL]
    assert [kernel.name for kernel in read_kernels(after)] == [KERNEL, SIBLING]


def test_both_kernels_launch_with_the_same_tile() -> None:
    old, new = read_kernels(described())
    for name in ("BLOCK_M", "BLOCK_N", "BLOCK_K"):
        assert old.knobs[name] == new.knobs[name]
    assert (new.knobs["num_warps"].value, new.knobs["num_stages"].value) == (2, 1)


def test_an_index_that_wraps_around_has_its_bound_from_that() -> None:
    assert "x_tiles = tl.make_tensor_descriptor(x_ptr, [M, K], [K, 1], [BLOCK_M, BLOCK_K])" in described(WRAPPED)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("tl.dot(x, weight, total)", "total + tl.sum(x, axis=1)[:, None]"),  # no matrix product
        ("other=0.0)\n        weight", "other=1.0)\n        weight"),
        (", mask=(rows[:, None] < M) & left[None, :], other=0.0", ""),
        ("mask=(rows[:, None] < M) & left[None, :]", "mask=left[None, :]"),  # no bound for the rows
        ("x_block + start, mask", "x_block + 64, mask"),  # not what is masked
        ("mask=(rows[:, None] < M) & left[None, :]", "mask=(rows[:, None] <= M) & left[None, :]"),
        ("mask=(rows[:, None] < M) & left[None, :]", "mask=(rows[:, None] < M) | left[None, :]"),
        ("rows[:, None] * K + inner[None, :]", "rows[:, None] * K + inner[None, :] * 2"),
        ("rows[:, None] * K + inner[None, :]", "rows[:, None] * 2048 + inner[None, :]"),
        ("rows[:, None] * K + inner[None, :]", "bias_ptr + rows[:, None] * K + inner[None, :]"),
        ("rows = tl.program_id(0) * BLOCK_M + tl.arange", "rows = tl.load(bias_ptr) * BLOCK_M + tl.load"),
        ("        total = tl.dot", "        x_block += 0\n        total = tl.dot"),
        ("columns = tl.program_id(1)", "columns = tl.program_id(2)"),
        ("@triton.jit", "@triton.autotune([], key=[])\n@triton.jit"),
        ("BLOCK_K: tl.constexpr,\n", "BLOCK_K: tl.constexpr = 32,\n"),
        ("    matmul_bias_relu_kernel[grid](", "    done = matmul_bias_relu_kernel[grid]("),
        ("    grid = (triton.cdiv(M, BLOCK_M), triton.cdiv(N, BLOCK_N))", "    grid = lambda meta: (1, 2)"),
        ("    M, K = x.shape", "    M, K = x.shape\n    tiles_m = 1"),
        ("import torch\n", "import torch as pytorch\nfrom torch import *\n"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_left_alone(before: str, after: str) -> None:
    assert before in MATMUL

    with pytest.raises(NotRecognised):
        described(MATMUL.replace(before, after, 1))


def test_it_is_made_once_and_not_of_numbered_tiles() -> None:
    for source in (described(), grouped(MATMUL, KERNEL, 8)):
        with pytest.raises(NotRecognised):
            described(source)
    assert list(moves(described(), SIBLING, "TENSOR_DESCRIPTORS", 1)) == []
    assert list(moves(SOFTMAX, "softmax_kernel", "TENSOR_DESCRIPTORS", 1)) == []
    idle = "import torch\nimport triton\nimport triton.language as tl\n@triton.jit\ndef k():\n    pass\n\nk[(1, 1)]()\n"
    assert list(moves(idle, "k", "TENSOR_DESCRIPTORS", 1)) == []


def test_a_line_of_elements_is_no_tile() -> None:
    module = Module(MATMUL)
    function = module.definitions()[KERNEL].function
    loads = [node for node in ast.walk(function) if isinstance(node, ast.Call) and ast.unparse(node.func) == "tl.load"]
    found = {
        ast.unparse(load.args[0]): Tiles(module, function).of(load.args[0], load.keywords[0].value) for load in loads
    }

    assert found.pop("bias_ptr + columns") is None
    weight = found["weight_block + start"]
    assert weight is not None
    assert (weight.turned, weight.begins) == (True, ("tl.program_id(1) * BLOCK_N", "start"))
    assert (weight.matrix.base, weight.matrix.bounds, weight.matrix.stride) == ("weight_ptr", ("N", "K"), "K")
