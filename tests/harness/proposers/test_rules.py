import ast
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from candidates.identity import digest
from evaluator.errors import UsageError
from evaluator.verdict import Status, Verdict
from harness.proposers.base import Context, Failure
from harness.proposers.rules import RulesProposer
from prompts.catalog import load_stages
from prompts.stages import Rule
from tests.harness.proposers.conftest import kernel, stage
from tests.harness.proposers.sources import ABSENT, HEAD, MATMUL, PLAIN, TUNED, TWO_KERNELS

CONF = Path(__file__).resolve().parents[3] / "conf"
GRID = {"num_warps": (2, 4, 8, 16), "num_stages": (2, 3)}

Make = Callable[..., Context]


def enumerate_all(context: Context, limit: int = 200) -> list[tuple[str, str]]:
    """Everything that is proposed while nothing is kept: changes and sources."""
    proposer, found = RulesProposer(), []
    while (proposal := proposer.propose(context)) is not None:
        assert proposal.source is not None
        ast.parse(proposal.source)
        found.append((proposal.change, proposal.source))
        context = replace(context, seen=context.seen | {digest(proposal.source)})
        assert len(found) < limit
    assert proposer.reason
    return found


def changes(context: Context) -> list[str]:
    return [change for change, _ in enumerate_all(context)]


def test_the_grid_by_nearness_without_rules(context: Make) -> None:
    assert changes(context(PLAIN, stage(num_warps=(2, 4, 8, 16)))) == [
        "num_warps 8 -> 4 in scale_kernel",
        "num_warps 8 -> 16 in scale_kernel",
        "num_warps 8 -> 2 in scale_kernel",
    ]


def test_nothing_is_proposed_twice_and_all_is_proposed(context: Make) -> None:
    found = enumerate_all(context(PLAIN, stage(**GRID)))

    assert len(found) == 4 * 2 - 1
    assert len({digest(source) for _, source in found}) == len(found)
    assert digest(PLAIN) not in {digest(source) for _, source in found}


def test_what_belongs_together_is_set_at_once_and_first(context: Make) -> None:
    tile = {"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64}
    sets = (
        tile | {"num_warps": 8},
        tile | {"num_warps": 3},
        tile | {"BLOCK_Z": 16},
        tile,
    )  # no such warps, no such block
    found = changes(context(MATMUL, stage(Rule(name="tiles", title="Tiles", together=sets), BLOCK_M=(32, 64))))

    together = "BLOCK_SIZE_M 64 -> 128, BLOCK_SIZE_N 64 -> 128, BLOCK_SIZE_K 32 -> 64"
    assert found[:2] == [f"{together}, num_warps 4 -> 8 in matmul_kernel", f"{together} in matmul_kernel"]
    assert not any("num_warps" in change for change in found[2:])  # which the stage does not vary


def test_what_a_rewriting_wants_along_with_it_is_set_at_once(context: Make) -> None:
    source = (CONF / "task" / "start" / "matmul_bias_relu.py").read_text()
    sets = ({"TENSOR_DESCRIPTORS": 1, "BLOCK_M": 128, "num_warps": 8}, {"TENSOR_DESCRIPTORS": 1, "BLOCK_Z": 16})
    rule = Rule(name="tiles", title="Tiles", together=sets)
    (both, changed), (alone, _) = enumerate_all(context(source, stage(rule, TENSOR_DESCRIPTORS=(1,))))

    made = "tensor descriptors and persistent programs in matmul_bias_relu_kernel"
    assert (both, alone) == (f"{made}, BLOCK_M 32 -> 128, num_warps 2 -> 8", made)
    assert changed.count("num_warps=8") == 2
    assert "BLOCK_M, BLOCK_N, BLOCK_K = 128, 32, 32" in changed


def test_a_kernel_that_never_ran_is_not_varied(context: Make) -> None:
    context_of = partial(context, TWO_KERNELS, stage(**GRID))  # of which only the first can be varied

    assert all("first_kernel" in change for change in changes(context_of(kernel("first_kernel", time_share=0.9))))
    assert changes(context_of(kernel("second_kernel", time_share=0.9))) == []


def test_what_belongs_together_is_set_in_an_autotuned_kernels_configuration(context: Make) -> None:
    tuner = "@triton.autotune(configs=[triton.Config({CONFIG}, num_warps=4, num_stages=2)], key=['M'])\n@triton.jit"
    source = (
        MATMUL.replace("@triton.jit", tuner.replace("CONFIG", "'BLOCK_SIZE_M': 64, 'BLOCK_SIZE_N': 64"), 1)
        .replace("BM, BN, BLOCK_SIZE_K", "BLOCK_SIZE_K")
        .replace("BM, BN = 64, 64", "pass")
        .replace("grid = (", "grid = lambda META: (")
        .replace("BM)", "META['BLOCK_SIZE_M'])")
        .replace("BN)", "META['BLOCK_SIZE_N'])")
    )
    sets = ({"BLOCK_M": 128, "BLOCK_N": 128, "num_warps": 8},)
    rule = Rule(name="tiles", title="Tiles", together=sets)
    change, changed = enumerate_all(context(source, stage(rule, BLOCK_M=(32, 64))))[0]

    assert change == "BLOCK_SIZE_M 64 -> 128, BLOCK_SIZE_N 64 -> 128, num_warps 4 -> 8 in matmul_kernel"
    assert "triton.Config({'BLOCK_SIZE_M': 128, 'BLOCK_SIZE_N': 128}, num_warps=8, num_stages=2)" in changed


def test_it_is_deterministic(context: Make) -> None:
    assert enumerate_all(context(TWO_KERNELS, stage(**GRID))) == enumerate_all(context(TWO_KERNELS, stage(**GRID)))


def test_what_rules_that_apply_say_comes_first(context: Make) -> None:
    rules = (
        Rule(name="a", title="A", when="registers > 128", prefer={"num_warps": 2}),
        Rule(name="b", title="B", when="registers < 96", prefer={"num_warps": 16}),
        Rule(name="c", title="C", when="sm_throughput > 90", prefer={"num_warps": 2}),  # unknown: does not apply
        Rule(name="d", title="D", prefer={"num_stages": 3}),
        Rule(name="e", title="E", when="registers < 96", prefer={"num_warps": 4, "num_stages": 2}),
    )
    made = context(PLAIN, stage(*rules, **GRID), kernel("scale_kernel", registers=40), facts={"registers": 40})

    assert changes(made)[:4] == [
        "num_warps 8 -> 4 in scale_kernel",  # all of it, the later rule deciding, as the prompt says
        "num_warps 8 -> 16 in scale_kernel",
        "num_stages 2 -> 3 in scale_kernel",
        "num_warps 8 -> 2 in scale_kernel",  # the rest of the grid
    ]


def test_after_a_kept_change_it_goes_on_from_there(context: Make) -> None:
    first = RulesProposer().propose(context(PLAIN, stage(**GRID)))
    assert first is not None
    assert first.source is not None
    kept = context(first.source, stage(**GRID))
    kept = replace(kept, seen=kept.seen | {digest(PLAIN)})

    found = enumerate_all(kept)

    assert len(found) == 4 * 2 - 2
    assert all("num_warps 8" not in change for change, _ in found)


def test_what_makes_no_difference_comes_last(context: Make) -> None:
    said = changes(context(PLAIN, stage(**GRID)))

    # The kernel has no loop to pipeline.
    assert ["num_stages" in change for change in said] == [False] * 3 + [True] * 4


def test_one_parameter_is_changed_before_two_even_from_outside_the_grid(context: Make) -> None:
    source = PLAIN.replace("num_stages=2", "num_stages=1")

    said = changes(context(source, stage(**GRID)))

    assert said[:3] == [
        "num_warps 8 -> 4 in scale_kernel",
        "num_warps 8 -> 16 in scale_kernel",
        "num_warps 8 -> 2 in scale_kernel",
    ]


def test_a_computed_value_is_left_alone_or_replaced(context: Make) -> None:
    source = PLAIN.replace("num_warps=8", "num_warps=4 if x.numel() < 99 else 8")

    said = changes(context(source, stage(num_warps=(4, 8), num_stages=(2, 3))))

    assert said == [
        "num_warps computed -> 4 in scale_kernel",
        "num_warps computed -> 8 in scale_kernel",
        "num_stages 2 -> 3 in scale_kernel",
        "num_warps computed -> 4, num_stages 2 -> 3 in scale_kernel",
        "num_warps computed -> 8, num_stages 2 -> 3 in scale_kernel",
    ]


def test_parameters_that_the_code_ties_stay_together(context: Make) -> None:
    source = MATMUL.replace("BM, BN = 64, 64", "BM = BN = 64")

    said = changes(context(source, stage(BLOCK_M=(32, 64, 128), BLOCK_N=(32, 64, 128))))

    assert said == [
        "BLOCK_SIZE_M 64 -> 32, BLOCK_SIZE_N 64 -> 32 in matmul_kernel",
        "BLOCK_SIZE_M 64 -> 128, BLOCK_SIZE_N 64 -> 128 in matmul_kernel",
    ]
    assert changes(context(source, stage(BLOCK_M=(32, 64, 128)))) == []  # BLOCK_N is not this stage's


def test_absent_parameters_are_added(context: Make) -> None:
    said = changes(context(ABSENT, stage(num_warps=(4, 8), num_stages=(3,))))

    assert said == ["num_warps 4 -> 8 in scale_kernel"]


def test_the_kernel_with_the_largest_share_of_the_time_comes_first(context: Make) -> None:
    shares = (kernel("first_kernel", time_share=0.3), kernel("second_kernel", time_share=0.7))
    stage_ = stage(num_warps=(2, 4), BLOCK_SIZE=(128, 256))

    said = changes(context(TWO_KERNELS, stage_, *shares))

    assert [change.rpartition(" ")[2] for change in said] == ["second_kernel"] + ["first_kernel"] * 3


def test_a_kernel_that_takes_no_time_is_left_alone(context: Make) -> None:
    shares = (kernel("first_kernel", time_share=0.01), kernel("second_kernel", time_share=0.015))
    proposer = RulesProposer()

    assert proposer.propose(context(TWO_KERNELS, stage(**GRID), *shares)) is None
    assert "enough of the time" in proposer.reason


def test_each_kernel_is_judged_by_its_own_facts(context: Make) -> None:
    rule = Rule(name="r", title="R", when="registers > 128", prefer={"BLOCK_SIZE": 64})
    kernels = (
        kernel("first_kernel", time_share=0.6, registers=40),
        kernel("second_kernel", time_share=0.4, registers=200),
    )
    facts = {"kernel": "first_kernel", "registers": 40}
    made = context(TWO_KERNELS, stage(rule, BLOCK_SIZE=(64, 128, 256, 512)), *kernels, facts=facts)

    said = changes(made)

    assert said[0] == "BLOCK 256 -> 128 in first_kernel"
    assert next(change for change in said if "second" in change) == "BLOCK 128 -> 64 in second_kernel"


def test_block_sizes_only_where_the_stage_varies_them(context: Make) -> None:
    tiling = load_stages(CONF)["tiling"]

    sources = [source for _, source in enumerate_all(context(MATMUL, tiling, category="single"))]

    # Of the 16 tiles three have more elements than the registers of 4 warps.
    assert len(sources) == (4 * 4 - 3) * 3 - 1
    assert all("num_warps" not in source for source in sources)


def test_a_tuned_kernel_is_narrowed_first_then_pinned(context: Make) -> None:
    found = enumerate_all(
        context(TUNED, stage(num_warps=(4, 8), num_stages=(2, 3)), kernel("tuned_kernel", num_warps=8, num_stages=2))
    )

    said = [change for change, _ in found]
    assert said == [
        "autotune 4 -> 2 configurations in tuned_kernel: num_warps 4, num_stages 2; num_warps 8, num_stages 2",
        "autotune 4 configurations -> num_warps 8, num_stages 2 in tuned_kernel",
        "autotune 4 configurations -> num_warps 8, num_stages 3 in tuned_kernel",
        "autotune 4 configurations -> num_warps 4, num_stages 2 in tuned_kernel",
        "autotune 4 configurations -> num_warps 4, num_stages 3 in tuned_kernel",
    ]
    assert [source.count("triton.Config(") for _, source in found] == [2, 1, 1, 1, 1]


def test_a_narrowed_list_has_what_rules_prefer_and_no_more_than_allowed(context: Make) -> None:
    rule = Rule(name="r", title="R", prefer={"num_stages": 4})
    made = context(TUNED, stage(rule, num_warps=(2, 4, 8, 16), num_stages=(2, 3, 4)))

    change, source = enumerate_all(made)[0]

    assert change == (
        "autotune 4 -> 3 configurations in tuned_kernel: "
        "num_warps 4, num_stages 2; num_warps 1, num_stages 4; num_warps 1, num_stages 2"
    )
    assert source.count("triton.Config(") == 3


def test_a_short_list_with_the_conservative_configuration_is_pinned_only(context: Make) -> None:
    start, end = TUNED.index("        # narrow"), TUNED.index("        # wide")
    source = TUNED[:start] + "        triton.Config({}, num_warps=4, num_stages=2),\n" + TUNED[end:]

    said = changes(context(source, stage(num_warps=(4, 8))))

    assert all("configurations ->" in change for change in said)


def test_one_pinned_configuration_reads_as_plain_parameters(context: Make) -> None:
    start, end = TUNED.index("configs=["), TUNED.index(",\n    key=")
    source = TUNED[:start] + "configs=[triton.Config({}, num_warps=8, num_stages=2)]" + TUNED[end:]

    assert changes(context(source, stage(num_warps=(4, 8)))) == ["num_warps 8 -> 4 in tuned_kernel"]


def test_no_more_warps_than_a_block_can_hold(context: Make) -> None:
    said = changes(context(PLAIN, stage(num_warps=(3, 16, 32, 64))))

    assert said == ["num_warps 8 -> 16 in scale_kernel", "num_warps 8 -> 32 in scale_kernel"]


@pytest.mark.parametrize(("name", "words"), [("draft", "first version"), ("repair", "does not repair")])
def test_stages_that_need_a_writer(context: Make, name: str, words: str) -> None:
    chosen = load_stages(CONF)[name]
    proposer = RulesProposer()

    assert words in proposer.why_not(chosen)
    assert proposer.propose(context(PLAIN, chosen)) is None
    assert proposer.reason == proposer.why_not(chosen)


@pytest.mark.parametrize("name", ["grid", "finetune", "tiling", "memory"])
def test_stages_that_set_parameters(name: str) -> None:
    assert RulesProposer().why_not(load_stages(CONF)[name]) == ""


def test_a_failure_is_not_repaired(context: Make) -> None:
    verdict = Verdict(status=Status.COMPILE_ERROR, task="t", device="rtx4090")
    proposer = RulesProposer()

    assert proposer.propose(context(PLAIN, stage(**GRID), failure=Failure(PLAIN, verdict))) is None
    assert "repair" in proposer.reason


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "no code"),
        ("def (", "not a Python module"),
        (HEAD + "class ModelNew(nn.Module): pass\n", "launches no Triton kernel"),
        (TUNED.replace("configs=[", "configs=make(["), "not a Python module"),
    ],
)
def test_why_there_is_nothing_to_propose(context: Make, source: str, words: str) -> None:
    proposer = RulesProposer()

    assert proposer.propose(context(source, stage(**GRID))) is None
    assert words in proposer.reason


def test_parameters_that_the_code_does_not_have(context: Make) -> None:
    proposer = RulesProposer()

    assert proposer.propose(context(PLAIN, stage(BLOCK_K=(16, 32)))) is None
    assert "scale_kernel" in proposer.reason


@pytest.mark.parametrize("start", sorted((CONF / "task" / "start").glob("*.py")), ids=lambda path: path.stem)
def test_every_bundled_start_can_be_tuned(context: Make, start: Path) -> None:
    source = start.read_text()

    found = enumerate_all(context(source, load_stages(CONF)["finetune"], category="fusion"))

    assert len(found) >= 3
    for _, varied in found:
        assert [line for line in varied.splitlines() if "#" in line and "Config" not in line] == [
            line for line in source.splitlines() if "#" in line and "Config" not in line
        ]


STARTS = {path.stem: path.read_text() for path in (CONF / "task" / "start").glob("*.py")}
STAGES = load_stages(CONF)
NARROW = {"kernel": "norm_gelu_scale_kernel", "elements_per_thread": 0.5}


def test_narrow_rows_are_put_together_while_the_rule_holds(context: Make) -> None:
    start = STARTS["convtranspose_layernorm_gelu"]

    said = changes(context(start, STAGES["grid"], facts=NARROW))

    assert said == [f"rows a program 1 -> {count} in norm_gelu_scale_kernel" for count in (8, 2, 4, 16, 32)]


def test_no_more_rows_than_registers_hold(context: Make) -> None:
    facts = kernel("norm_gelu_scale_kernel", num_warps=2, constants={"BLOCK": 512})

    said = changes(context(STARTS["convtranspose_layernorm_gelu"], STAGES["grid"], facts))

    assert [change.split()[5] for change in said] == ["2", "4", "8", "16"]


def test_rows_that_were_put_together_are_a_parameter_of_the_launch_although_the_kernel_is_tuned(context: Make) -> None:
    first = RulesProposer().propose(
        context(STARTS["convtranspose_layernorm_gelu"], STAGES["grid"], facts=NARROW),
    )
    assert first is not None
    assert first.source is not None

    said = changes(context(first.source, STAGES["grid"], facts=NARROW | {"elements_per_thread": 4}))

    assert said[:2] == [
        "BLOCK_ROWS 8 -> 4 in norm_gelu_scale_kernel",
        "BLOCK_ROWS 8 -> 16 in norm_gelu_scale_kernel",
    ]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"elements_per_thread": 64}, "programs with enough to do (elements_per_thread 64 >= 16)"),
        ({"sm_throughput": 70, "elements_per_thread": 5}, "the sms are busy enough (sm_throughput 70 >= 60, elem"),
    ],
)
def test_a_rule_that_says_to_leave_it_is_obeyed_and_named(context: Make, facts: dict[str, float], words: str) -> None:
    proposer = RulesProposer()

    assert proposer.propose(context(STARTS["rmsnorm"], STAGES["grid"], facts=facts)) is None
    assert "BLOCK_ROWS" in proposer.reason
    assert words in proposer.reason


def test_at_the_memorys_speed_finetuning_stops_with_the_figure(context: Make) -> None:
    proposer = RulesProposer()
    facts = {"dram_throughput": 92}

    assert proposer.propose(context(STARTS["softmax"], STAGES["finetune"], facts=facts)) is None
    assert proposer.reason == (
        "num_warps, num_stages left alone in softmax_kernel: at the memory's speed already (dram_throughput 92 >= 90)."
    )


@pytest.mark.parametrize(("hit_rate", "groups"), [(None, (4, 8)), (90, (4, 8)), (50, (8, 4))])
def test_tiles_are_grouped(context: Make, hit_rate: float | None, groups: tuple[int, ...]) -> None:
    said = changes(context(STARTS["matmul_bias_relu"], STAGES["grid"], facts={"l2_hit_rate": hit_rate}))

    assert said == [f"tiles in groups of {size} rows in matmul_bias_relu_kernel" for size in groups]


def test_a_row_is_held_whole_and_stages_are_left_while_warps_do_not_wait(context: Make) -> None:
    made = context(STARTS["softmax"], STAGES["memory"], category="single", facts={"memory_stalls": 10})

    assert changes(made) == [f"a whole row in one block in softmax_kernel, num_warps {warps}" for warps in (8, 16, 4)]
    waiting = replace(made, facts={"memory_stalls": 30})
    assert "num_stages 2 -> 3 in softmax_kernel" in changes(waiting)
    assert "num_stages 2 -> 3 in softmax_kernel" in changes(replace(made, facts={}))  # unknown forbids nothing


def test_a_block_that_covers_its_row_in_one_piece_is_left_alone(context: Make) -> None:
    source = STARTS["convtranspose_layernorm_gelu"].replace("BLOCK=triton.next_power_of_2(width)", "BLOCK=1024")

    assert changes(context(source, stage(BLOCK_SIZE=(256, 512)))) == []
    assert changes(context(STARTS["swiglu"], stage(BLOCK_SIZE=(256, 512)))) == [
        "BLOCK 1024 -> 512 in swiglu_kernel",
        "BLOCK 1024 -> 256 in swiglu_kernel",
    ]


def test_a_block_that_walks_along_a_row_is_another_parameter(context: Make) -> None:
    made = context(STARTS["softmax"], STAGES["tiling"], category="single")

    assert changes(made)[:2] == ["BLOCK 2048 -> 1024 in softmax_kernel", "BLOCK 2048 -> 4096 in softmax_kernel"]
    assert changes(replace(made, stage=stage(BLOCK_SIZE=(128, 256)))) == []


def test_register_pressure_halves_all_blocks_first(context: Make) -> None:
    source = STARTS["matmul_bias_relu"].replace(
        "BLOCK_M, BLOCK_N, BLOCK_K = 32, 32, 32", "BLOCK_M, BLOCK_N, BLOCK_K = 64, 64, 32"
    )

    facts = {"registers": 140, "multiplies": True, "compute_capability": 8.9}
    said = changes(context(source, STAGES["tiling"], facts=facts))

    assert said == [
        "BLOCK_M 64 -> 32, BLOCK_N 64 -> 32 in matmul_bias_relu_kernel",
        "BLOCK_M 64 -> 32 in matmul_bias_relu_kernel",
        "BLOCK_N 64 -> 32 in matmul_bias_relu_kernel",
    ]  # fmt: skip


def test_tiles_too_small_for_a_matrix_product_are_not_proposed(context: Make) -> None:
    made = context(STARTS["matmul_bias_relu"], stage(BLOCK_K=(8, 16)))

    assert changes(made) == ["BLOCK_K 32 -> 16 in matmul_bias_relu_kernel"]
    eight_bits = kernel("matmul_bias_relu_kernel", precision=("f8",))
    assert changes(context(STARTS["matmul_bias_relu"], stage(BLOCK_K=(8, 16)), eight_bits)) == []


def test_tiles_that_shared_memory_cannot_hold_are_not_proposed(context: Make) -> None:
    facts = {"num_warps": 4, "num_stages": 3, "constants": {"BLOCK_SIZE_M": 64, "BLOCK_SIZE_N": 64, "BLOCK_SIZE_K": 32}}
    wanted = stage(BLOCK_K=(64, 128))

    assert len(changes(context(MATMUL, wanted, kernel("matmul_kernel", shared_bytes=32_768, **facts)))) == 1
    assert len(changes(context(MATMUL, wanted, kernel("matmul_kernel", shared_bytes=8_192, **facts)))) == 2
    assert len(changes(context(MATMUL, wanted, kernel("matmul_kernel", shared_bytes=65_536, **facts)))) == 0
    assert len(changes(context(MATMUL, wanted))) == 2  # the compiler will say


def test_blocks_larger_than_the_registers_are_not_proposed(context: Make) -> None:
    source = STARTS["softmax"]  # one warp, so at most 32 x 255 elements

    assert "BLOCK 2048 -> 8192 in softmax_kernel" not in changes(context(source, STAGES["tiling"], category="single"))
    wider = source.replace("num_warps=1", "num_warps=4")
    assert "BLOCK 2048 -> 8192 in softmax_kernel" in changes(context(wider, STAGES["tiling"], category="single"))


def test_a_number_in_the_grid_that_could_be_either_block_is_left_alone(context: Make) -> None:
    grid = "(triton.cdiv(a.shape[0], 64), triton.cdiv(b.shape[1], 64))"
    source = MATMUL.replace("(triton.cdiv(a.shape[0], BM), triton.cdiv(b.shape[1], BN))", grid)
    source = source.replace("3, BM, BN,", "3, 64, 64,")

    assert changes(context(source, stage(BLOCK_M=(32,), BLOCK_N=(32,)))) == []


def test_a_stage_of_which_the_task_has_no_section_is_an_error(context: Make) -> None:
    chosen = STAGES["grid"].model_copy(update={"single": None})

    with pytest.raises(UsageError, match="nothing to say about a single task"):
        RulesProposer().propose(context(PLAIN, chosen, category="single"))
