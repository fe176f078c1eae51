"""What Inductor generated becomes a readable candidate, or a reason."""

import ast
from collections.abc import Callable

import pytest

from candidates.inductor.merging import Unrewritable
from candidates.inductor.module import candidate
from candidates.static_rules import check
from evaluator import triton_api
from evaluator.generation import NO_GPU, Generation
from tests.candidates.inductor.recordings import TASKS, edited, generation, task

REFERENCE = task("softmax").reference


def rewritten(name: str) -> str:
    return candidate(generation(name), task(name).reference)


def test_all_bundled_tasks_are_recorded() -> None:
    assert len(TASKS) == 6


@pytest.mark.parametrize("name", TASKS)
def test_a_candidate_keeps_the_rules_and_nothing_of_inductor(name: str) -> None:
    source = rewritten(name)
    assert check(source, triton_api.names()) == ()
    for word in ("triton_helpers", "tl_math", "inductor", "empty_strided_cuda", "extern_kernels", "xnumel", "size__"):
        assert word not in source
    assert max(map(len, source.splitlines())) <= 120
    assert rewritten(name) == source


def test_what_an_older_torch_generates_is_rewritten_to_the_same_form() -> None:
    """Its masks shift the numbers of values, so that a method of one has another name at each size."""
    source = candidate(generation("layernorm_gelu_scale", "torch-2.11"), task("layernorm_gelu_scale").reference)
    assert check(source, triton_api.names()) == ()
    wrappers = [text.partition("def compiled(")[2] for text in (source, rewritten("layernorm_gelu_scale"))]
    assert wrappers[0] == wrappers[1] != ""


@pytest.mark.parametrize("name", TASKS)
def test_no_size_is_left_in_the_code(name: str) -> None:
    made = generation(name)
    assert made.true is not None
    numbers = {node.value for node in ast.walk(ast.parse(rewritten(name))) if isinstance(node, ast.Constant)}
    blocks = {value for chosen in made.configurations.values() for value in chosen.values()}
    sizes = {size for argument in made.true.arguments for size in argument.shape if size > 4}
    assert not sizes & numbers - blocks


def test_sizes_come_from_tensors() -> None:
    source = rewritten("swiglu")
    assert "torch.empty((x.shape[0], x.shape[1] // 2), dtype=torch.float32, device=x.device)" in source
    assert "elements = buf0.numel()" in source
    assert "v0 = tl.load(x_ptr + (x0 + size_1 * x1), xmask)" in source
    assert "size_1=x.shape[1]" in source


def test_a_whole_row_in_a_block_grows_with_the_row() -> None:
    assert "BLOCK_R=triton.next_power_of_2(columns)" in rewritten("layernorm_gelu_scale")


def test_the_configuration_is_the_one_that_was_chosen() -> None:
    made = generation("rmsnorm")
    ((name, chosen),) = made.configurations.items()
    other = {name: chosen | {"XBLOCK": 2, "R0_BLOCK": 512, "num_warps": 8}}
    source = candidate(made.model_copy(update={"configurations": other}), task("rmsnorm").reference)
    assert "[(triton.cdiv(rows, 2),)]" in source
    assert ("BLOCK_X=2" in source, "BLOCK_R=512" in source, "num_warps=8" in source) == (True, True, True)


def test_operators_become_public_functions_of_torch() -> None:
    assert "nn.functional.conv_transpose3d(\n        x,\n        conv_weight,\n        None," in rewritten(
        "convtranspose_layernorm_gelu"
    )
    assert "torch.addmm(linear_bias, x, linear_weight.t(), out=buf0)" in rewritten("matmul_bias_relu")


def test_parameters_are_made_as_the_reference_makes_them() -> None:
    source = rewritten("rmsnorm")
    assert "self.weight = nn.Parameter(torch.ones(width))" in source
    assert "return compiled(x, self.weight)" in source


def test_a_scalar_is_written_plainly_where_it_meets_a_tensor() -> None:
    source = rewritten("rmsnorm")
    assert "+ 1e-06" in source
    assert "/ columns" in source
    assert "tl.full([1, 1]" not in source


def test_a_softmax_in_one_pass_is_written_out() -> None:
    source = rewritten("softmax")
    assert "def softmax_step(highest, total, value):" in source
    assert "running2, running3 = softmax_step(running0, running1, v1)" in source
    assert "v2, v3 = softmax_joined(running0, running1, 1)" in source


def test_a_running_mean_is_written_out() -> None:
    """A kernel such as Inductor writes for long rows: Welford's update in a loop."""
    loop = (
        "        tmp4_mean_next, tmp4_m2_next, tmp4_weight_next = triton_helpers.welford_reduce(\n"
        "            tmp2, tmp4_mean, tmp4_m2, tmp4_weight, r0_offset == 0\n        )\n"
        "        tmp4_mean = tl.where({mask}, tmp4_mean_next, tmp4_mean)\n"
        "        tmp4_m2 = tl.where({mask}, tmp4_m2_next, tmp4_m2)\n"
        "        tmp4_weight = tl.where({mask}, tmp4_weight_next, tmp4_weight)\n"
    )
    zeros = "".join(
        f"    tmp4_{part} = tl.zeros([XBLOCK, R0_BLOCK], tl.float32)\n" for part in ("mean", "m2", "weight")
    )
    end = "    tmp90, tmp91, tmp92 = triton_helpers.welford(tmp4_mean, tmp4_m2, tmp4_weight, 1)\n"

    def edit(code: str) -> str:
        mask = "r0_mask & xmask" if "r0_mask & xmask" in code else "r0_mask"
        start = "    _tmp3 = tl.full([XBLOCK, R0_BLOCK], 0, tl.float32)\n"
        added = f"        tmp4 = _tmp3 + tmp2\n        _tmp3 = tl.where({mask}, tmp4, _tmp3)\n"
        summed = "    tmp3 = tl.sum(_tmp3, 1)[:, None]\n"
        assert start in code
        assert added in code
        assert summed in code
        code = code.replace(start, zeros).replace(added, loop.format(mask=mask))
        return code.replace(summed, end + "    tmp3 = tmp91[:, None]\n")

    source = candidate(edited(generation("rmsnorm"), edit), task("rmsnorm").reference)
    assert check(source, triton_api.names()) == ()
    assert "tl.reduce((" in source
    assert "1, welford_pair)" in source
    assert "def welford_step(value, mean, m2, count):" in source


UNKNOWN: dict[str, tuple[Callable[[str], str], str]] = {
    "a helper": (lambda code: code.replace("online_softmax_reduce", "sort_with_index"), "sort_with_index"),
    "a kind of kernel": (lambda code: code.replace("heuristics.reduction(", "heuristics.split_scan("), "split_scan"),
    "a grid": (lambda code: code.replace("'Grid1D'", "'CooperativeReductionGrid'"), "CooperativeReductionGrid"),
    "an operator": (
        lambda code: code.replace(
            "return (buf2, )", "buf3 = torch.ops.aten.sort.default(buf2)\n        return (buf2, )"
        ),
        "torch.ops.aten.sort.default",
    ),
    "no kernel": (lambda code: code.replace("async_compile.triton(", "dict("), "no Triton kernel"),
    "C++": (lambda code: code.replace("async_compile.triton(", "async_compile.cpp_pybinding("), "cpp_pybinding"),
    "another result": (lambda code: code.replace("return (buf2, )", "return (buf2, buf2, )"), "returns 1 tensors"),
    "no module": (lambda code: code + "\n(", "does not parse"),
}


@pytest.mark.parametrize(("edit", "words"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_known_is_a_reason(edit: Callable[[str], str], words: str) -> None:
    with pytest.raises(Unrewritable, match=words):
        candidate(edited(generation("softmax"), edit), REFERENCE)


def test_another_form_at_other_sizes_is_a_reason() -> None:
    made = generation("softmax")
    changed = made.near[1].code.replace("tmp4 - tmp2", "tmp4 + tmp2")
    near = (made.near[0], made.near[1].model_copy(update={"code": changed}), made.near[2])
    with pytest.raises(Unrewritable, match="another form of the kernel triton_red_fused__softmax"):
        candidate(made.model_copy(update={"near": near}), REFERENCE)


def test_another_kernel_at_the_true_sizes_is_a_reason() -> None:
    made = generation("softmax")
    assert made.true is not None
    code = made.true.code.replace("libdevice.exp", "libdevice.exp2")
    with pytest.raises(Unrewritable, match="a little below the true ones"):
        candidate(made.model_copy(update={"true": made.true.model_copy(update={"code": code})}), REFERENCE)


def test_a_size_that_nothing_explains_is_a_reason() -> None:
    odd = iter((7, 11, 5, 3))
    made = edited(generation("softmax"), lambda code: code.replace("tmp4 - tmp2", f"tmp4 - {next(odd)}.25"))
    with pytest.raises(Unrewritable, match="no simple expression"):
        candidate(made, REFERENCE)


def test_a_mask_that_was_left_away_is_a_reason() -> None:
    mask, none = "xmask = xindex < xnumel\n", "xmask = tl.full([XBLOCK], True, tl.int1)[:, None]\n"
    made = edited(generation("softmax"), lambda code: code.replace(mask, none) + "\n")
    with pytest.raises(Unrewritable, match="leaves a mask away"):
        candidate(made, REFERENCE)


def test_a_reason_of_the_evaluator_is_passed_on() -> None:
    with pytest.raises(Unrewritable, match="no GPU here"):
        candidate(Generation(reason=NO_GPU), REFERENCE)


def test_what_init_uses_comes_along() -> None:
    reference = REFERENCE.replace(
        "class Model(nn.Module):\n",
        "WIDTH = 3\n\n\nclass Scale(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.weight = nn.Parameter(torch.ones(WIDTH))\n\n\nclass Model(nn.Module):\n"
        "    def __init__(self):\n        super(Model, self).__init__()\n        self.scale = Scale()\n\n",
    )
    source = candidate(generation("softmax"), reference)
    assert "WIDTH = 3" in source
    assert "class Scale(nn.Module):" in source
    assert "super().__init__()\n        self.scale = Scale()" in source
    assert "get_inputs" not in source
    assert check(source, triton_api.names()) == ()
