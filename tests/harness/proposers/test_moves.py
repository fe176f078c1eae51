"""Rewriting of a kernel's structure: what it makes of the bundled starting points, and what it does not touch."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from candidates.identity import digest
from evaluator.catalog import load_gpus, load_task
from evaluator.request import EvaluatorSettings, Request
from evaluator.service import Evaluator
from evaluator.verdict import Status
from harness.proposers.descriptors import by_descriptors
from harness.proposers.module import Module, NotRecognised
from harness.proposers.moves import moves
from harness.proposers.ordering import grouped
from harness.proposers.passes import in_one_pass
from harness.proposers.rewriting import read_kernels, set_knobs
from harness.proposers.rows import several_rows

CONF = Path(__file__).resolve().parents[3] / "conf"
STARTS = {path.stem: path.read_text() for path in sorted((CONF / "task" / "start").glob("*.py"))}
SOFTMAX, MATMUL, TAIL = STARTS["softmax"], STARTS["matmul_bias_relu"], STARTS["convtranspose_layernorm_gelu"]


def kernel_of(source: str) -> str:
    (name,) = Module(source).definitions()
    return name


def rows(source: str, count: int = 4) -> str:
    return several_rows(source, kernel_of(source), count)


def whole(source: str) -> str:
    return in_one_pass(source, kernel_of(source))


def tiles(source: str, group: int = 8) -> str:
    return grouped(source, kernel_of(source), group)


def described(source: str) -> str:
    return by_descriptors(source, kernel_of(source))


def added(before: str, after: str) -> list[str]:
    """The lines of `after` that are not in `before`, stripped; that it parses is checked on the way."""
    ast.parse(after)
    old = before.splitlines()
    return [line.strip() for line in after.splitlines() if line not in old]


@pytest.mark.parametrize(
    ("move", "known"),
    [
        (rows, {"convtranspose_layernorm_gelu", "layernorm_gelu_scale", "rmsnorm", "softmax", "swiglu"}),
        (whole, {"layernorm_gelu_scale", "rmsnorm", "softmax"}),
        (tiles, {"matmul_bias_relu"}),
        (described, {"matmul_bias_relu"}),
    ],
)
def test_which_bundled_starts_each_move_understands(move: Callable[[str], str], known: set[str]) -> None:
    understood = set()
    for name, source in STARTS.items():
        try:
            ast.parse(move(source))
            understood.add(name)
        except NotRecognised:
            pass
    assert understood == known


def test_rows_become_a_block_by_columns() -> None:
    assert added(TAIL, rows(TAIL)) == [
        (
            "def norm_gelu_scale_kernel(x_ptr, weight_ptr, bias_ptr, out_ptr, width, eps, scale, BLOCK: tl.constexpr, "
            "row_count, BLOCK_ROWS: tl.constexpr):"
        ),
        "row = (tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS))[:, None]",
        "columns = tl.arange(0, BLOCK)[None, :]",
        "x = tl.load(x_ptr + row * width + columns, mask=inside & (row < row_count), other=0.0).to(tl.float32)",
        "mean = tl.sum(x, axis=1, keep_dims=True) / width",
        "variance = tl.sum(centred * centred, axis=1, keep_dims=True) / width",
        (
            "tl.store(out_ptr + row * width + columns, (gelu * scale).to(out_ptr.dtype.element_ty), "
            "mask=inside & (row < row_count))"
        ),
        (
            "norm_gelu_scale_kernel[(triton.cdiv(rows, 4),)](x, weight, bias, out, width, eps, scale, "
            "BLOCK=triton.next_power_of_2(width), row_count=rows, BLOCK_ROWS=4)"
        ),
    ]


def test_a_block_of_rows_is_a_parameter_from_then_on() -> None:
    (read,) = read_kernels(rows(SOFTMAX))

    assert "BLOCK_ROWS" in read.tiled
    assert read.knobs["BLOCK_ROWS"].value == 4
    again = set_knobs(rows(SOFTMAX), read, {"BLOCK_ROWS": 16})
    assert again == rows(SOFTMAX, 16)


def test_a_load_without_a_mask_gets_one_and_what_is_the_same_for_all_rows_none() -> None:
    source = TAIL.replace("columns, mask=inside, other=0.0).to", "columns).to")

    after = rows(source)

    assert "tl.load(x_ptr + row * width + columns, mask=(row < row_count)).to(tl.float32)" in after
    assert "tl.load(weight_ptr + columns).to(tl.float32)" in after


def test_a_row_is_walked_over_once() -> None:
    said = added(SOFTMAX, whole(SOFTMAX))

    assert said == [
        *["for start in tl.static_range(0, BLOCK, BLOCK):"] * 3,
        "softmax_kernel[(rows,)](x, out, columns, BLOCK=triton.next_power_of_2(columns), num_warps=1, num_stages=2)",
    ]
    with pytest.raises(NotRecognised):
        whole(whole(SOFTMAX))


def test_a_whole_row_wants_more_warps() -> None:
    found = list(moves(SOFTMAX, "softmax_kernel", "ROW_PASSES", 1))

    assert [variation.change for variation in found] == [
        f"a whole row in one block in softmax_kernel, num_warps {warps}" for warps in (8, 16, 4)
    ]
    assert len({digest(variation.source) for variation in found}) == 3


def test_a_grid_that_takes_its_size_from_a_shape_is_understood() -> None:
    source = SOFTMAX.replace("softmax_kernel[(rows,)]", "softmax_kernel[(x.shape[0],)]")

    assert "[(triton.cdiv(x.shape[0], 4),)](x, out, columns, " in rows(source)
    assert "row_count=x.shape[0], BLOCK_ROWS=4)" in rows(source)
    assert "triton.next_power_of_2(columns)" in whole(source)


def test_the_two_rewritings_of_rows_go_together_in_either_order() -> None:
    assert digest(rows(whole(SOFTMAX))) == digest(whole(rows(SOFTMAX)))


def test_tiles_are_renumbered() -> None:
    said = added(MATMUL, tiles(MATMUL))

    assert "rows = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)" in said
    assert "columns = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)" in said
    assert "num_stages=1, GROUP_M=8," in said
    (read,) = read_kernels(tiles(MATMUL))
    assert read.knobs["GROUP_M"].value == 8
    assert "GROUP_M" in read.tiled


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("row = tl.program_id(0).to(tl.int64)", "row = tl.program_id(1).to(tl.int64)"),  # of another axis
        ("row = tl.program_id(0).to(tl.int64)", "row = tl.num_programs(0) - 1 - tl.program_id(0)"),
        ("row = tl.program_id(0).to(tl.int64)", "row = tl.program_id(0).to(tl.int64)\n    row = row + 0"),
        ("axis=0) / width\n    centred", "axis=0) / width + tl.num_programs(0)\n    centred"),
        ("mean = tl.sum(x, axis=0)", "mean = tl.sum(weight, axis=0)"),  # a sum that no row has a part in
        ("mean = tl.sum(x, axis=0)", "mean = tl.sum(x)"),
        ("mean = tl.sum(x, axis=0)", "mean = tl.reduce(x, 0, add)"),
        ("tl.store(out_ptr + row * width + columns,", "tl.store(out_ptr + columns,"),  # where all rows would meet
        ("    gelu =", "    if width > 9:\n        y = y * 2.0\n    gelu ="),
        ("    gelu =", "    while False:\n        y = y * 2.0\n    gelu ="),
        ("    gelu =", "    y = helper(y)\n    gelu ="),
        ("    gelu =", "    y = y[:]\n    gelu ="),
        ("    gelu =", "    tl.atomic_add(out_ptr, 1.0)\n    gelu ="),
        ("    mean = tl.sum", "    m = 0.0\n    for i in range(2):\n        m = tl.max(x, axis=0)\n    mean = tl.sum"),
        ("eps, scale, BLOCK: tl.constexpr)", "eps, scale=1.0, BLOCK: tl.constexpr = 64)"),
        ("BLOCK: tl.constexpr", "row_count: tl.constexpr, BLOCK: tl.constexpr"),
        ("[(rows,)]", "[lambda meta: (rows,)]"),
        ("[(rows,)]", "[(count(x),)]"),
        ("    norm_gelu_scale_kernel[(rows,)]", "    grid = (x.numel() // width,)\n    norm_gelu_scale_kernel[grid]"),
        ("    norm_gelu_scale_kernel[(rows,)]", "    grid = (rows,)\n    show(grid)\n    norm_gelu_scale_kernel[grid]"),
        ("import triton.language as tl", "import triton.language as tl\nimport other as tl"),
    ],
)  # fmt: skip
def test_rows_that_are_not_understood_are_left_alone(before: str, after: str) -> None:
    assert before in TAIL

    with pytest.raises(NotRecognised):
        rows(TAIL.replace(before, after, 1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("inside = start + offsets < columns", "inside = start + offsets <= columns"),
        ("inside = start + offsets < columns", "inside = offsets < columns"),
        ("inside = start + offsets < columns", "inside = start + offsets < rows"),
        ("largest = tl.maximum(largest, x)", "largest = tl.maximum(largest, x + start)"),  # knows its blocks apart
        ("largest = tl.maximum(largest, x)", "largest = tl.maximum(largest, x + offsets)"),
        ("largest = tl.maximum(largest, x)", "largest = tl.maximum(largest, x * BLOCK)"),
        ("x = tl.load(x_ptr + row * columns + start + offsets, mask=inside, other", "x = tl.load(x_ptr + start, other"),
        ("range(0, columns, BLOCK)", "range(1, columns, BLOCK)"),
        ("range(0, columns, BLOCK)", "range(0, row, BLOCK)"),
        ("BLOCK=2048", "BLOCK=size(x)"),
        ("softmax_kernel[(rows,)]", "softmax_kernel[(rows, triton.cdiv(columns, 2048))]"),
        ("softmax_kernel[(rows,)]", 'softmax_kernel[lambda meta: (triton.cdiv(rows, meta["BLOCK"]),)]'),
        ("    total = tl.zeros", "    tl.store(out_ptr + offsets, 0.0)\n    total = tl.zeros"),
    ],
)
def test_walks_that_are_not_understood_are_left_alone(before: str, after: str) -> None:
    assert before in SOFTMAX

    with pytest.raises(NotRecognised):
        whole(SOFTMAX.replace(before, after, 1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("tl.dot(x, weight, total)", "total + tl.sum(x, axis=1)[:, None]"),  # no matrix product
        ("columns = tl.program_id(1)", "columns = tl.program_id(0)"),
        ("inside = (rows", "first = tl.program_id(0)\n    inside = (rows"),
        ("inside = (rows", "count = tl.num_programs(0)\n    inside = (rows"),
        ("triton.cdiv(N, BLOCK_N))", "triton.cdiv(N, BLOCK_N), 1)"),
        ("    M,\n    N,\n    K,\n", "    M,\n    N,\n    tile_m,\n"),
    ],
)
def test_tiles_that_are_not_understood_are_left_alone(before: str, after: str) -> None:
    assert before in MATMUL

    with pytest.raises(NotRecognised):
        tiles(MATMUL.replace(before, after, 1))


def test_a_kernel_that_another_one_calls_is_left_alone() -> None:
    caller = "\n\n@triton.jit\ndef outer(x):\n    softmax_kernel(x, x, 1, 2)\n"

    for move in (several_rows, grouped):
        with pytest.raises(NotRecognised):
            move(SOFTMAX + caller, "softmax_kernel", 4)


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    gpu = next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")
    with Evaluator(EvaluatorSettings(draws=1), device="", target=gpu) as open_evaluator:
        yield open_evaluator


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "move"),
    [
        ("convtranspose_layernorm_gelu", lambda source: rows(source, 8)),
        ("layernorm_gelu_scale", lambda source: whole(rows(source))),
        ("rmsnorm", lambda source: rows(source, 2)),
        ("softmax", lambda source: next(moves(source, "softmax_kernel", "ROW_PASSES", 1)).source),
        ("swiglu", lambda source: rows(source, 2)),
        ("matmul_bias_relu", lambda source: tiles(source, 4)),
        ("matmul_bias_relu", described),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_was_rewritten_compiles_and_is_right(task: str, move: Callable[[str], str], evaluator: Evaluator) -> None:
    gpu = next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")
    source = move(STARTS[task])

    verdict = evaluator.evaluate(
        Request(source=source, digest=digest(source), task=load_task(task, CONF), target=gpu, thorough=False)
    )

    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
