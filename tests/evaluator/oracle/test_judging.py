"""What a judge draws from, leaves out and looks at closely, by real references on the CPU."""

import itertools
from pathlib import Path

import pytest
import torch

from evaluator.errors import UsageError
from evaluator.oracle.draws import Draw, fresh_seed
from evaluator.oracle.judging import Judge
from evaluator.oracle.numerics import Comparison
from evaluator.oracle.reference import Reference
from evaluator.oracle.refusals import refusals
from evaluator.oracle.truth import Expected
from evaluator.tasks import Task, Tolerance

REFERENCE = """\
import torch

class Model(torch.nn.Module):
    def __init__(self, momentum):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x):
        if self.momentum:
            self.mean.lerp_(x.mean(0), self.momentum)
        return torch.relu(x - self.mean), x.argmax(1)

def get_inputs():
    return [torch.randn(16, 8)]

def get_init_inputs():
    return [MOMENTUM]
"""


class Ring:
    """Outputs of a right candidate for a ring of slots."""

    def __init__(self, slots: int, momentum: float = 0.0) -> None:
        source = REFERENCE.replace("MOMENTUM", repr(momentum))
        path = Path("centred_relu.py")
        tolerance = Tolerance(name="standard", rtol=1e-4, atol=1e-4, reference_factor=3.0)
        task = Task(name="centred_relu", reference=source, path=path, tolerance=tolerance)
        self.reference = Reference(source, str(path), "cpu")
        self.judge = Judge(task, self.reference, None)
        self.judge.stateful = bool(momentum)
        self.model = self.reference.model(0)
        self.seeds = [fresh_seed() for _ in range(slots)]
        self.outputs = [
            [tensor.clone() for tensor in self.reference.run(self.reference.model(0), self.reference.inputs(seed))[1]]
            for seed in self.seeds
        ]

    def strangest(self, count: int) -> list[int]:
        return self.judge.strangest(self.model, self.seeds, self.outputs, count)


def test_what_was_left_out_is_looked_at() -> None:
    ring = Ring(40)
    ring.outputs[7][0].zero_()
    ring.outputs[30][0].fill_(torch.nan)
    ring.outputs[11][1] += 1
    for index in range(0, 40, 2):
        ring.outputs[index][0] *= 1 + 1e-5  # another order of summation
    assert set(ring.strangest(3)) == {7, 11, 30}
    assert len(set(ring.strangest(6))) == 6


def test_a_single_wrong_element_stands_out() -> None:
    ring = Ring(40)
    for each in ring.outputs:
        each[0] *= 1 + 1e-5
    ring.outputs[23][0][5, 3] += 0.5
    assert ring.strangest(1) == [23]


def test_whole_numbers_that_fell_the_other_way_hide_nobody() -> None:
    ring = Ring(40)
    for each in ring.outputs[:20]:
        each[1][3] = (each[1][3] + 1) % 8  # one tie of sixteen
    ring.outputs[30] = [torch.zeros_like(each) for each in ring.outputs[30]]
    assert ring.strangest(1) == [30]


@pytest.mark.parametrize("slots", [1, 6])
def test_a_short_ring_is_looked_at_whole(slots: int) -> None:
    assert Ring(slots).strangest(6) == list(range(slots))


def test_every_forward_is_asked_of_the_module_as_it_was() -> None:
    ring = Ring(12, momentum=0.5)
    ring.outputs[4][0].zero_()
    before = [buffer.clone() for buffer in ring.model.buffers()]
    assert ring.strangest(1) == [4]
    assert all(torch.equal(old, new) for old, new in zip(before, ring.model.buffers(), strict=True))
    ring.outputs[4] = ring.outputs[5]
    assert ring.strangest(1) == [4], "another slot's output is not its own"


PROBABILITIES = """\
import torch

N = 64

class Model(torch.nn.Module):
    def forward(self, p):
        return torch.nn.functional.binary_cross_entropy(p, torch.ones_like(p), reduction="none")

def get_inputs():
    return [torch.rand(N) * 0.9 + 0.05]

def get_init_inputs():
    return []
"""


def judging(source: str) -> tuple[Judge, Reference]:
    tolerance = Tolerance(name="standard", rtol=1e-4, atol=1e-4, reference_factor=3.0)
    reference = Reference(source, "t.py", "cpu")
    return Judge(Task(name="t", reference=source, path=Path("t.py"), tolerance=tolerance), reference, None), reference


def drawn(judge: Judge, derived_s: float) -> list[str]:
    """What five draws come from, where each is compared."""
    comparison = Comparison(judge._task.tolerance)
    found = []
    for distribution in judge.schedule(5, comparison, derived_s):
        found.append(distribution)
        comparison.distribution = distribution
        comparison.current.draws += 1
    return found


def test_inputs_that_the_reference_does_not_take_are_left_out() -> None:
    judge, reference = judging(PROBABILITIES)
    comparison = Comparison(judge._task.tolerance)
    judge.judge(comparison, reference.model(0), Draw("shifted", 5), [torch.zeros(64)], lambda inputs: None)
    assert (comparison.draws, comparison.problem) == (0, "")
    assert "not checked on shifted inputs: Model.forward of t.py failed" in judge.notes[0]


def test_what_a_reference_refuses_is_found_out_before_a_gpu_asserts_it() -> None:
    judge, reference = judging(PROBABILITIES.replace("torch.rand(N) * 0.9 + 0.05", "torch.rand(N) ** 4 * 0.9"))
    reference.device = "cuda"  # the schedule asks for no more of it than this
    assert drawn(judge, 60.0) == ["own", "own", "own", "small", "sparse"]
    assert any("not checked on shifted inputs: Model.forward of t.py failed" in note for note in judge.notes)


def test_a_refusal_that_depends_on_the_numbers_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, reference = judging(PROBABILITIES)
    taken = next(seed for seed in range(1000) if takes(reference, Draw("ties", seed)))
    seeds = itertools.chain([taken], itertools.count(1000))
    monkeypatch.setattr("evaluator.oracle.refusals.fresh_seed", lambda: next(seeds))
    monkeypatch.setattr("evaluator.oracle.refusals._known", {})
    assert "ties" in refusals(judge._task)


def takes(reference: Reference, draw: Draw) -> bool:
    try:
        reference.run(reference.model(draw.seed), draw.inputs(reference) or [])
    except UsageError:
        return False
    return True


def test_who_is_slow_escapes_no_draw_that_is_due() -> None:
    judge, _ = judging(PROBABILITIES)
    assert drawn(judge, -1.0) == ["own", "own", "own", "shifted", "large"]
    assert any("no time left" in note for note in judge.notes)


def test_where_a_part_has_to_do_no_output_hides_behind_the_error_of_another() -> None:
    judge, _ = judging(PROBABILITIES)
    large, small = (torch.rand(32, 100, dtype=torch.float64) * size for size in (1e6, 1e-2))
    own = [large.float(), small.float()]
    expected = Expected(own, [large[:16], small[:16]], slice(0, 16))
    comparison = Comparison(judge._task.tolerance)
    judge.compare(comparison, expected, own, "")
    assert comparison.problem == ""
    judge.compare(comparison, expected, [own[0], torch.where(torch.arange(32)[:, None] == 31, 0.0, own[1])], "")
    assert "output 1: 100 of 3200 elements" in comparison.problem
