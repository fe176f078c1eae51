"""Ahead-of-time compilation: what is launched is found, compiled as it would be, and described."""

from typing import Any

import pytest

from tests.evaluator.inside import kernels
from tests.evaluator.inside.sessions import run_session

SQUARE = [[[512, 512], "float32"]]
JOBS: dict[str, Any] = {
    "elementwise": {"source": kernels.ELEMENTWISE, "inputs": [[[4096, 4096], "float32"]]},
    "layernorm": {"source": kernels.LAYERNORM_AUTOTUNED, "init": [64], "inputs": [[[4096, 64], "float32"]]},
    "matmul": {"source": kernels.MATMUL, "inputs": [[[256, 256], "float16"]] * 2},
    "huge": {"source": kernels.MATMUL, "init": [128, 128, 64, 8, 5], "inputs": [[[256, 256], "float32"]] * 2},
    "spilling": {"source": kernels.MATMUL, "init": [64, 64, 32, 4, 3, 32], "inputs": [[[256, 256], "float16"]] * 2},
    "broken": {"source": kernels.BROKEN, "inputs": SQUARE, "small": SQUARE},
    "wrong_argument": {"source": kernels.WRONG_ARGUMENT, "inputs": SQUARE},
    "tanh": {"source": kernels.TANH, "inputs": SQUARE},
    "several": {"source": kernels.SEVERAL, "inputs": SQUARE},
    "convolution": {"source": kernels.CONVOLUTION, "inputs": [[[32, 32, 16, 32, 32], "float32"]]},
    "offset": {"source": kernels.OFFSET_VIEW, "inputs": SQUARE},
    "data_dependent": {"source": kernels.DATA_DEPENDENT, "inputs": SQUARE, "small": [[[8, 16], "float32"]]},
    "data_dependent_only": {"source": kernels.DATA_DEPENDENT, "inputs": SQUARE},
    "no_kernel": {"source": kernels.NO_KERNEL, "inputs": SQUARE},
    "descriptors": {"source": kernels.DESCRIPTORS, "inputs": [[[128, 64], "float32"]]},
    "in_place": {"source": kernels.IN_PLACE, "inputs": SQUARE * 2},
    "pointers": {"source": kernels.POINTERS, "inputs": SQUARE * 2},
    "caught": {"source": kernels.CAUGHT, "inputs": SQUARE},
}


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    return run_session("compile", JOBS)


def only(answer: dict[str, Any]) -> dict[str, Any]:
    (kernel,) = answer["kernels"]
    return dict(kernel)


def test_an_elementwise_kernel_is_described_in_full(answers: dict[str, Any]) -> None:
    kernel = only(answers["elementwise"])
    assert 8 <= kernel.pop("registers") <= 40
    assert len(kernel.pop("code")) == 16
    assert kernel == {
        "name": "scale",
        "spill_bytes": 0,
        "shared_bytes": 0,
        "num_warps": 8,
        "num_stages": 3,
        "grid": [16384],
        "launches": 1,
        "constants": {"BLOCK": 1024},
        "loads": 1,
        "precision": [],
        "read_bytes": 4096 * 4096 * 4,
        "written_bytes": 4096 * 4096 * 4,
        "dots": False,
        "assumed": True,
        "config": {},
    }
    assert answers["elementwise"]["sizes"] == "true"
    assert answers["elementwise"]["notes"] == []


def test_every_configuration_of_an_autotuner_is_compiled_and_the_first_assumed(answers: dict[str, Any]) -> None:
    first, second = answers["layernorm"]["kernels"]
    assert (first["assumed"], second["assumed"]) == (True, False)
    assert first["config"] == {"kwargs": {"ROWS": 1}, "num_warps": 4, "num_stages": 2, "num_ctas": 1}
    assert (first["num_warps"], first["num_stages"], first["grid"]) == (4, 2, [4096])
    assert (second["num_warps"], second["num_stages"], second["grid"]) == (8, 3, [1024])
    assert first["constants"] == {"ROWS": 1, "SIZE": 64}
    assert first["loads"] == 3


def test_a_matmul_uses_shared_memory_for_its_stages(answers: dict[str, Any]) -> None:
    kernel = only(answers["matmul"])
    assert kernel["grid"] == [4, 4]
    assert kernel["precision"] == ["f16"]
    # Three stages of multi-buffering keep two or three 64x32 tiles of each operand in half precision.
    tile = 64 * 32 * 2 * 2
    assert 2 * tile <= kernel["shared_bytes"] <= 3 * tile


def test_more_shared_memory_than_the_target_has_is_a_fact_and_no_error(answers: dict[str, Any]) -> None:
    assert only(answers["huge"])["shared_bytes"] > 101_376


def test_spills_are_counted(answers: dict[str, Any]) -> None:
    kernel = only(answers["spilling"])
    assert kernel["registers"] <= 32
    assert kernel["spill_bytes"] > 0


def test_a_compile_error_names_the_kernel_and_the_line_where_it_happens(answers: dict[str, Any]) -> None:
    failure = answers["broken"]["compile_failure"]
    assert failure["kernel"] == "broken"
    assert failure["text"] == "return tl.no_such_function(v)"
    assert kernels.BROKEN.splitlines()[failure["line"] - 1].strip() == failure["text"]
    assert "no_such_function" in failure["message"]


def test_a_wrong_argument_is_a_compile_failure_at_the_launch(answers: dict[str, Any]) -> None:
    failure = answers["wrong_argument"]["compile_failure"]
    assert "BLOK" in failure["message"]
    assert failure["text"].startswith("scale[lambda meta")


def test_libdevice_functions_are_linked(answers: dict[str, Any]) -> None:
    assert only(answers["tanh"])["registers"] > 0


def test_launches_of_several_kernels_are_counted(answers: dict[str, Any]) -> None:
    double, shift = answers["several"]["kernels"]
    assert double["code"] != shift["code"]
    assert (double["name"], double["launches"]) == ("double", 2)
    assert (shift["name"], shift["launches"]) == ("shift", 1)
    assert shift["constants"]["EVEN"] is True


def test_gigabytes_cost_nothing(answers: dict[str, Any]) -> None:
    outputs = 32 * 64 * 32 * 64 * 64
    assert only(answers["convolution"])["grid"] == [outputs // 1024]


def test_an_offset_view_is_compiled_for_its_own_alignment(answers: dict[str, Any]) -> None:
    aligned, offset = answers["offset"]["kernels"]
    assert aligned["name"] == offset["name"] == "copy"
    assert answers["offset"]["sizes"] == "true"


def test_control_flow_that_depends_on_data_falls_back_to_small_sizes_and_says_so(answers: dict[str, Any]) -> None:
    answer = answers["data_dependent"]
    assert answer["sizes"] == "small"
    assert "small sizes" in answer["notes"][0]
    assert only(answer)["grid"] == [1]


def test_without_small_sizes_the_forward_failure_is_told(answers: dict[str, Any]) -> None:
    assert "DataDependent" in answers["data_dependent_only"]["forward_failure"]


def test_a_candidate_that_launches_nothing_has_no_kernels(answers: dict[str, Any]) -> None:
    assert answers["no_kernel"]["kernels"] == []


def test_a_compile_error_that_the_candidate_catches_is_noted(answers: dict[str, Any]) -> None:
    assert answers["caught"]["kernels"] == []
    assert "no_such_function" in answers["caught"]["notes"][0]


def test_tensor_descriptors_get_their_blocks_from_the_configuration(answers: dict[str, Any]) -> None:
    first, second = answers["descriptors"]["kernels"]
    assert (first["grid"], second["grid"]) == ([4], [2])
    assert first["loads"] == 1


def test_what_is_loaded_and_stored_counts_twice_and_what_is_the_same_once(answers: dict[str, Any]) -> None:
    kernel = only(answers["in_place"])
    square, row = 512 * 512 * 4, 512 * 4
    assert kernel["launches"] == 2
    assert kernel["written_bytes"] == 2 * square
    assert kernel["read_bytes"] == square + row + square  # a row is expanded; then both arguments are one tensor


def test_pointers_are_followed_through_loops_and_branches(answers: dict[str, Any]) -> None:
    kernel = only(answers["pointers"])
    square, counters, index = 512 * 512 * 4, 64 * 4, 64 * 4
    assert kernel["dots"] is True
    assert kernel["read_bytes"] == 2 * square + index + counters  # what an atomic adds to is read and written
    assert kernel["written_bytes"] == square + counters


def test_launches_of_one_kernel_are_added_up(answers: dict[str, Any]) -> None:
    square = 512 * 512 * 4
    double, shift = answers["several"]["kernels"]
    assert (double["read_bytes"], shift["written_bytes"]) == (2 * square, square)
    moved = {(kernel["read_bytes"], kernel["written_bytes"]) for kernel in answers["descriptors"]["kernels"]}
    assert moved == {(128 * 64 * 4, 128 * 64 * 4)}  # through tensor descriptors


def test_the_fused_kernel_of_gigabytes_is_counted_at_its_true_size(answers: dict[str, Any]) -> None:
    kernel = only(answers["convolution"])
    assert kernel["read_bytes"] == kernel["written_bytes"] == 4_194_304 * 64 * 4
