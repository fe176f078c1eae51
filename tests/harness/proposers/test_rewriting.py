import ast
import difflib

import pytest

from candidates.syntax import Unparsed
from harness.proposers.rewriting import Kernel, read_kernels, set_configs, set_knobs
from tests.harness.proposers.sources import ABSENT, BROKEN_LINES, BY_DICT, HEAD, MATMUL, PLAIN, TUNED, TWO_KERNELS


def only(source: str) -> Kernel:
    (kernel,) = read_kernels(source)
    return kernel


def changed(before: str, after: str) -> list[str]:
    """The lines of `after` that differ, stripped; that it parses is checked on the way."""
    ast.parse(after)
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line[2:].strip() for line in lines if line.startswith("+ ")]


def values(kernel: Kernel) -> dict[str, int | None]:
    return {name: knob.value for name, knob in kernel.knobs.items()}


def test_literals_at_a_launch() -> None:
    kernel = only(PLAIN)

    assert values(kernel) == {"num_warps": 8, "num_stages": 2, "BLOCK": 1024}
    assert not kernel.form.loops
    after = set_knobs(PLAIN, kernel, {"num_warps": 4, "BLOCK": 512})
    assert changed(PLAIN, after) == [
        "scale_kernel[grid](x, y, x.numel(), BLOCK=512, num_warps=4, num_stages=2)  # the launch"
    ]


def test_the_current_values_change_nothing() -> None:
    assert set_knobs(PLAIN, only(PLAIN), {"num_warps": 8, "BLOCK": 1024}) == PLAIN


def test_absent_arguments_are_added() -> None:
    kernel = only(ABSENT)

    assert values(kernel) == {"num_warps": 4, "num_stages": 3, "BLOCK": 1024}  # what Triton takes then
    after = set_knobs(ABSENT, kernel, {"num_warps": 8, "num_stages": 2})
    assert changed(ABSENT, after) == [
        "scale_kernel[grid](x, y, x.numel(), BLOCK=1024, num_stages=2, num_warps=8)  # the launch"
    ]


def test_an_argument_is_added_behind_parentheses_and_before_a_trailing_comma() -> None:
    after = set_knobs(BROKEN_LINES, only(BROKEN_LINES), {"num_warps": 8})

    assert changed(BROKEN_LINES, after) == ["BLOCK=(1024), num_warps=8,  # a comment ) with a parenthesis"]


def test_a_launch_without_arguments() -> None:
    source = HEAD + "@triton.jit\ndef k():\n    pass\n\n\ndef run():\n    k[(1,)]()\n"

    after = set_knobs(source, only(source), {"num_warps": 8, "num_stages": 2})

    launch = ast.parse(after).body[-1].body[0].value  # type: ignore[attr-defined]
    assert {keyword.arg: keyword.value.value for keyword in launch.keywords} == {"num_warps": 8, "num_stages": 2}


def test_a_dictionary_of_options() -> None:
    kernel = only(BY_DICT)

    assert values(kernel) == {"num_warps": 8, "num_stages": 3, "BLOCK": 1024}
    after = set_knobs(BY_DICT, kernel, {"num_warps": 2, "num_stages": 2})
    assert changed(BY_DICT, after) == [
        'OPTIONS = {"BLOCK": 1024, "num_warps": 2}  # for all launches',
        "scale_kernel[grid](x, y, x.numel(), **OPTIONS, num_stages=2)  # the launch",
    ]


@pytest.mark.parametrize("spoiler", ['OPTIONS["num_warps"] = 16\n', "OPTIONS.update(num_warps=16)\n"])
def test_a_dictionary_that_is_altered_is_left_alone(spoiler: str) -> None:
    assert values(only(BY_DICT + spoiler)) == {}


def test_options_of_unknown_content_are_left_alone() -> None:
    first, second = read_kernels(TWO_KERNELS)

    assert first.name == "first_kernel"
    assert values(first) == {"num_warps": 4, "num_stages": 3, "BLOCK": 256}
    assert second.name == "second_kernel"
    assert values(second) == {"BLOCK": 128}  # **options could hold num_warps
    assert second.form.loops


def test_a_default_argument_and_a_tuple_of_constants_feed_a_launch() -> None:
    first, _ = read_kernels(TWO_KERNELS)

    after = set_knobs(TWO_KERNELS, first, {"num_warps": 8, "num_stages": 2, "BLOCK": 512})

    assert changed(TWO_KERNELS, after) == ["def first(x, y, warps=8):", "BLOCK, stages = 512, 2"]


def test_an_argument_that_callers_pass_is_replaced_at_the_launch() -> None:
    source = TWO_KERNELS.replace("        first(x, y)\n", "        first(x, y, warps=2)\n")
    first, _ = read_kernels(source)

    assert values(first)["num_warps"] is None
    after = set_knobs(source, first, {"num_warps": 8})
    (line,) = changed(source, after)
    assert line.endswith("BLOCK=BLOCK, num_warps=8, num_stages=stages)")


def test_block_sizes_by_position_by_attribute_and_in_the_grid() -> None:
    kernel = only(MATMUL)

    assert values(kernel) == {
        "num_warps": 4,
        "num_stages": 3,
        "BLOCK_SIZE_M": 64,
        "BLOCK_SIZE_N": 64,
        "BLOCK_SIZE_K": 32,
    }
    after = set_knobs(MATMUL, kernel, {"BLOCK_SIZE_M": 128, "BLOCK_SIZE_K": 64})
    assert changed(MATMUL, after) == ["self.block_k = 64", "BM, BN = 128, 64"]


def test_a_literal_that_the_grid_repeats_changes_with_it() -> None:
    source = PLAIN.replace('meta["BLOCK"]', "1024")

    after = set_knobs(source, only(source), {"BLOCK": 512})

    assert "triton.cdiv(x.numel(), 512)" in after
    assert "BLOCK=512" in after


def test_a_default_of_the_kernel_that_no_launch_overrides() -> None:
    source = PLAIN.replace("BLOCK: tl.constexpr)", "BLOCK: tl.constexpr = 1024)").replace("BLOCK=1024, ", "")

    after = set_knobs(source, only(source), {"BLOCK": 256})

    assert changed(source, after) == ["def scale_kernel(x, y, n, BLOCK: tl.constexpr = 256):"]


@pytest.mark.parametrize(
    "grid",
    ["(x.numel() + 1023) // 1024,", "blocks(x, 1024),"],
)
def test_a_block_size_that_the_grid_uses_otherwise_is_left_alone(grid: str) -> None:
    source = PLAIN.replace('triton.cdiv(x.numel(), meta["BLOCK"]),', grid)

    assert "BLOCK" not in values(only(source))


def test_a_computed_block_size_is_left_alone() -> None:
    source = PLAIN.replace("BLOCK=1024", "BLOCK=triton.next_power_of_2(x.shape[-1])")

    assert values(only(source)) == {"num_warps": 8, "num_stages": 2}


def test_a_name_that_is_bound_twice_is_not_taken_for_a_constant() -> None:
    source = PLAIN.replace("BLOCK=1024", "BLOCK=size").replace(
        "        grid =", "        size = 1024\n        if x.numel() < 99:\n            size = 64\n        grid ="
    )

    assert "BLOCK" not in values(only(source))


def test_all_launches_of_a_kernel_change_together() -> None:
    line = "        scale_kernel[grid](x, y, x.numel(), BLOCK=1024, num_warps=8, num_stages=2)"
    source = PLAIN.replace(line, line + "\n" + line.replace("num_warps=8, ", ""))
    kernel = only(source)

    assert values(kernel)["num_warps"] is None  # 8 and 4
    assert values(kernel)["num_stages"] == 2
    assert len(changed(source, set_knobs(source, kernel, {"num_warps": 2}))) == 2


def test_what_a_heuristic_sets_is_left_alone() -> None:
    heuristic = '@triton.heuristics({"num_warps": lambda args: 4 if args["n"] < 99 else 8})\n@triton.jit'
    source = ABSENT.replace("@triton.jit", heuristic)

    assert set(values(only(source))) == {"num_stages", "BLOCK"}


def test_a_kernel_made_by_a_call() -> None:
    source = PLAIN.replace("@triton.jit\ndef scale_kernel", "def _scale").replace(
        "class ModelNew", "scale_kernel = triton.jit(_scale)\n\n\nclass ModelNew"
    )

    assert only(source).name == "scale_kernel"
    assert values(only(source))["num_warps"] == 8


def test_no_launch_no_kernel() -> None:
    assert read_kernels(HEAD + "@triton.jit\ndef k(x):\n    pass\n") == ()
    assert read_kernels("class ModelNew: pass\n") == ()


def test_source_that_is_no_python() -> None:
    with pytest.raises(Unparsed):
        read_kernels("def (")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_stay(end: str) -> None:
    source = PLAIN.replace("\n", end)

    after = set_knobs(source, only(source), {"num_warps": 4})

    assert after == source.replace("num_warps=8", "num_warps=4")


def test_configurations_are_read() -> None:
    kernel = only(TUNED)

    assert kernel.configs is not None
    assert [item.values["num_warps"] for item in kernel.configs.items] == [1, 2, 8, 16]
    assert kernel.parameters == ("num_warps", "num_stages")


def test_a_narrowed_list_keeps_the_text_and_the_comments_of_what_stays() -> None:
    points = [{"num_warps": 4, "num_stages": 2}, {"num_warps": 8, "num_stages": 2}]

    after = set_configs(TUNED, only(TUNED), points, {})

    ast.parse(after)
    start, end = after.index("    configs=["), after.index("@triton.jit")
    assert after[start:end] == (
        "    configs=[\n"
        "        # narrow ones\n"
        "        triton.Config({}, num_warps=4, num_stages=2),\n"
        "        # wide ones\n"
        "        triton.Config({}, num_warps=8, num_stages=2),  # eight warps\n"
        "    ],\n"
        '    key=["n"],  # retune for another length\n'
        ")\n"
    )
    assert after[:start] + after[end:] == TUNED[:start] + TUNED[TUNED.index("@triton.jit") :]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            'configs=[triton.Config({"BLOCK": 64}, num_warps=2), triton.Config({"BLOCK": 128}, num_warps=4)]',
            'configs=[triton.Config({"BLOCK": 128}, num_warps=8, num_stages=2)]',
        ),
        (
            'configs=(triton.Config({"BLOCK": 64}, 2, 4), triton.Config(dict(BLOCK=128), 4, 4))',
            "configs=[triton.Config(dict(BLOCK=128), 8, 2)]",
        ),
        (
            'configs=[triton.Config({"BLOCK": b}, num_warps=w) for b in [64, 128] for w in (2, 4)]',
            "configs=[triton.Config({'BLOCK': 128}, num_warps=8, num_stages=2)]",
        ),
    ],
)
def test_lists_of_other_shapes(written: str, expected: str) -> None:
    start, end = TUNED.index("configs=["), TUNED.index(",\n    key=")
    source = TUNED[:start] + written + TUNED[end:]

    after = set_configs(source, only(source), [{"num_warps": 8, "num_stages": 2}], {"BLOCK": 128, "num_warps": 4})

    assert after == source.replace(written, expected)


def test_a_list_with_a_name_of_its_own() -> None:
    start, end = TUNED.index("configs=["), TUNED.index(",\n    key=")
    named = TUNED[:start] + "configs=CONFIGS" + TUNED[end:]
    source = named.replace("@triton.autotune", "CONFIGS = [triton.Config({}, num_warps=2)]\n\n\n@triton.autotune")

    after = set_configs(source, only(source), [{"num_warps": 8}], {})

    assert changed(source, after) == ["CONFIGS = [triton.Config({}, num_warps=8)]"]


@pytest.mark.parametrize(
    "configs", ["make_configs()", "[]", "[make() for _ in range(3)]", "[triton.Config({}, num_warps=w) for w in WARPS]"]
)
def test_configurations_that_are_computed_are_left_alone(configs: str) -> None:
    start, end = TUNED.index("configs=["), TUNED.index(",\n    key=")
    kernel = only(TUNED[:start] + f"configs={configs}" + TUNED[end:])

    assert kernel.configs is None
    assert kernel.parameters == ()
