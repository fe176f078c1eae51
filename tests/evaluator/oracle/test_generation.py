"""At which sizes torch.compile is asked, what of its answers is of use, and the way from a worker to the oracle."""

import pytest

from candidates.inductor.merging import Unrewritable
from candidates.inductor.module import candidate
from evaluator.catalog import load_gpus
from evaluator.errors import UsageError
from evaluator.generation import MOST_CHARACTERS
from evaluator.oracle.confinement import Confinement
from evaluator.oracle.generation import TEXTS, differing, generate, left_to_torch, near, obstacle
from evaluator.oracle.worker import Pool
from evaluator.request import Limits
from evaluator.shrink import integers
from evaluator.tasks import Task
from tests.candidates.inductor.recordings import CONF, TASKS, edited, generation, task


@pytest.mark.parametrize("name", TASKS)  # the first one takes seconds: torch imports what fake tensors need
def test_near_sizes_lie_between_the_same_powers_of_two_and_are_odd(name: str) -> None:
    asked = task(name)
    true = integers(asked.reference)
    sets = near(asked)
    assert len(sets) == TEXTS
    for sizes in sets:
        assert set(sizes) == set(asked.small)
        for changed, size in sizes.items():
            assert size != true[changed]
            assert size % 2 == 1
            assert (size - 1).bit_length() == (true[changed] - 1).bit_length()


def test_no_two_sizes_move_alike_and_none_stays() -> None:
    true = dict.fromkeys("abcdefghijklmnopqrstuvwxyz", 4096)
    sets = list(differing(true, 1))
    ways = {name: tuple(sizes[name] for sizes in sets) for name in true}
    assert len(set(ways.values())) == len(true)
    assert all(len(set(way)) == TEXTS for way in ways.values())


def test_a_size_without_room_stays_as_it_is() -> None:
    assert list(differing({"n": 2, "m": 1}, 1)) == [{}] * TEXTS
    assert [sizes["n"] for sizes in differing({"n": 17}, 1)] == [19, 21, 23]


def test_sizes_that_belong_together_move_in_larger_steps() -> None:
    """64 channels in groups of 8: nothing but a multiple of 8 runs."""
    grouped = task("softmax").model_copy(
        update={
            "reference": "import torch\nfrom torch import nn\n\nROWS = 64\nCHANNELS = 64\n\n\nclass Model(nn.Module):\n"
            "    def forward(self, x):\n        return x.view(ROWS, 8, CHANNELS // 8).softmax(1)\n\n\n"
            "def get_inputs():\n    return [torch.randn(ROWS, CHANNELS)]\n\n\ndef get_init_inputs():\n    return []\n",
            "small": {"CHANNELS": 16},
            "vary": {},
        }
    )
    assert {sizes["CHANNELS"] % 8 for sizes in near(grouped)} == {0}


def test_sizes_that_can_not_be_changed_are_said() -> None:
    line = "return torch.softmax"
    fixed = task("softmax").reference.replace(line, f"assert x.shape[1] == 12289\n        {line}")
    with pytest.raises(UsageError, match="does not run at sizes a little below"):
        near(task("softmax").model_copy(update={"reference": fixed}))


def test_a_size_that_is_written_out_and_can_not_be_changed_keeps_no_other_from_it() -> None:
    rows, line = "torch.randn(ROWS, COLUMNS)", "return torch.softmax"
    asked = task("softmax")
    assert rows in asked.reference
    fixed = asked.reference.replace(rows, "torch.randn(ROWS, COLUMNS, 224)[..., 0]")
    assert all("224 in get_inputs" in sizes for sizes in near(unnamed(asked, fixed)))
    fixed = fixed.replace("[..., 0]", "").replace(line, f"assert x.shape[2] == 7 * 32\n        {line}")
    assert all(set(sizes) == {"ROWS", "COLUMNS"} for sizes in near(unnamed(asked, fixed)))


def unnamed(asked: Task, reference: str) -> Task:
    """Another reference, of which nobody says which sizes may change."""
    return asked.model_copy(update={"reference": reference, "small": {}, "vary": {}})


def test_operators_that_the_policy_does_not_allow_are_an_obstacle() -> None:
    made, asked = generation("matmul_bias_relu"), task("matmul_bias_relu")
    assert made.true is not None
    assert left_to_torch(made.true.code) == ["addmm"]
    words = "Inductor leaves addmm to torch's own kernels, which the task's torch_ops do not allow"
    assert obstacle(made, asked) == words
    assert obstacle(made, asked.model_copy(update={"torch_ops": ("matmul",)})) == ""


@pytest.mark.parametrize("name", [name for name in TASKS if name != "matmul_bias_relu"])
def test_the_other_bundled_tasks_meet_no_obstacle(name: str) -> None:
    assert obstacle(generation(name), task(name)) == ""


def test_endless_code_and_no_code_are_obstacles() -> None:
    made, asked = generation("softmax"), task("softmax")
    assert "no code" in obstacle(made.model_copy(update={"near": ()}), asked)
    assert "characters" in obstacle(edited(made, lambda code: code + "#" * MOST_CHARACTERS), asked)


@pytest.mark.slow
def test_a_worker_generates_in_the_sandbox() -> None:
    """Without a GPU Inductor writes C++, and compiles and runs it: the same way, as far as to the text."""
    source = task("softmax").reference.replace("4096", "256").replace("12289", "1000")
    asked = task("softmax").model_copy(update={"reference": source})
    target = next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")
    limits = Limits()
    pool = Pool("compile", Confinement(limits, target, None), limits, 1)
    try:
        made = generate(asked, pool, limits, "cpu")
    finally:
        pool.close()
    assert made.reason == ""
    assert made.true is not None
    assert [entry.shape for entry in made.true.arguments] == [(256, 1000)]
    assert [graph.sizes for graph in made.near] == near(asked)
    assert made.outputs == {"tensor": 0}
    with pytest.raises(Unrewritable, match="cpp_pybinding, which is no Triton kernel"):
        candidate(made, source)
