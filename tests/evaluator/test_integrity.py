"""Do the candidate's own kernels do the work? Verdicts without a GPU, end to end."""

import hashlib
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.catalog import load_gpus, load_task, load_tolerance
from evaluator.errors import UsageError
from evaluator.gpus import Gpu
from evaluator.request import EvaluatorSettings, Limits, Request
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Status, Verdict

from .candidates import FORWARD, KERNEL, REFERENCE, candidate
from .doubtful import CHEATS, HONEST, USELESS, Doubtful, model

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    return next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(
        name="scaled_relu",
        reference=REFERENCE,
        path=Path("scaled_relu.py"),
        small={"ROWS": 7},
        tolerance=load_tolerance("standard", CONF),
    )


@pytest.fixture(scope="module")
def evaluator(gpu: Gpu) -> Iterator[Evaluator]:
    limits = Limits(
        first_forward_s=90, forward_s=60, compile_s=60, search_s=0, memory_gb=3.0
    )  # room for a busy machine
    with Evaluator(EvaluatorSettings(draws=2, limits=limits), device="", target=gpu) as open_evaluator:
        yield open_evaluator


def judge(evaluator: Evaluator, task: Task, gpu: Gpu, source: str, thorough: bool = True) -> Verdict:
    digest = hashlib.sha256(source.encode()).hexdigest()
    return evaluator.evaluate(Request(source=source, digest=digest, task=task, target=gpu, thorough=thorough))


@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS.keys())
def test_a_candidate_whose_kernels_do_not_do_the_work_is_convicted(
    evaluator: Evaluator, task: Task, gpu: Gpu, cheat: Doubtful
) -> None:
    verdict = judge(evaluator, task.model_copy(update={"torch_ops": cheat.torch_ops}), gpu, cheat.source)
    assert (verdict.status, verdict.time) == (cheat.status, None), verdict.reason
    assert cheat.words in verdict.reason


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST.keys())
def test_an_honest_candidate_passes(evaluator: Evaluator, task: Task, gpu: Gpu, source: str) -> None:
    verdict = judge(evaluator, task, gpu, source)
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert verdict.evidence.ablated
    assert verdict.evidence.findings == ()


def test_a_kernel_that_changes_nothing_is_named(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    verdict = judge(evaluator, task, gpu, USELESS)
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    (finding,) = verdict.evidence.findings
    assert finding["rule"] == "unused-kernel"
    assert "scale_kernel" in finding["message"]


def test_who_returns_a_part_of_an_input_is_convicted_unless_the_task_allows_it(
    evaluator: Evaluator, task: Task, gpu: Gpu
) -> None:
    every_other = REFERENCE.replace("torch.relu(x * self.gain) * self.factor", "x[:, ::2].clone()")
    taking = task.model_copy(update={"reference": every_other})
    source = model(FORWARD, "        return x[:, ::2]\n")
    verdict = judge(evaluator, taking, gpu, source)
    assert verdict.status is Status.INTEGRITY_VIOLATION
    assert "shares memory with input 0" in verdict.reason
    verdict = judge(evaluator, taking.model_copy(update={"aliasing": "allowed"}), gpu, source)
    assert verdict.status is Status.INTEGRITY_VIOLATION
    assert "right without" in verdict.reason


LATE = """
class Late:
    due = ()

    def work(self):
        while self.due:
            self.due.pop().mul_(3.0)


class Named(Late, dict):
    def items(self):
        self.work()
        return dict.items(self)


class Name(Late, str):
    def __str__(self):
        self.work()
        return "scaled"

"""


@pytest.mark.parametrize("made", ["late = answer = Named(scaled=out)", "late = Name()\nanswer = {late: out}"])
def test_torch_may_not_work_when_the_answer_is_looked_at(evaluator: Evaluator, task: Task, gpu: Gpu, made: str) -> None:
    named = REFERENCE.replace("torch.relu(x * self.gain) * self.factor", '{"scaled": torch.relu(x * self.gain) * 3.0}')
    forward = textwrap.indent(f"{made}\nlate.due = [out]\nreturn answer\n", "        ")
    source = model(FORWARD, forward, KERNEL.replace("* factor", "") + LATE)
    verdict = judge(evaluator, task.model_copy(update={"reference": named}), gpu, source)
    assert verdict.status is Status.INTEGRITY_VIOLATION, verdict
    assert "mul" in verdict.reason


def test_the_default_task_leaves_the_convolution_to_torch_and_nothing_else(evaluator: Evaluator, gpu: Gpu) -> None:
    bundled = load_task("convtranspose_layernorm_gelu", CONF)
    verdict = judge(evaluator, bundled, gpu, bundled.start)
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert list(verdict.evidence.torch_operators) == ["convolution"]
    assert verdict.evidence.torch_flops == {"convolution": 137_438_953_472}
    assert verdict.evidence.cost is not None
    assert verdict.evidence.cost.contractions == verdict.evidence.torch_flops
    assert {(kernel.read_bytes, kernel.written_bytes) for kernel in verdict.kernels} == {(2**30 + 512, 2**30)}
    assert verdict.evidence.findings == ()
    verdict = judge(evaluator, bundled.model_copy(update={"torch_ops": ()}), gpu, bundled.start)
    assert verdict.status is Status.INTEGRITY_VIOLATION
    assert "convolution (" in verdict.reason


def test_what_torch_does_is_told_where_any_of_it_is_allowed(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    source = model(FORWARD, "        return out.abs()\n")
    verdict = judge(evaluator, task.model_copy(update={"torch_ops": ("any",)}), gpu, source)
    assert verdict.status is Status.VERIFIED, verdict.reason
    assert list(verdict.evidence.torch_operators) == ["abs"]
    assert [finding["rule"] for finding in verdict.evidence.findings] == ["torch-operators"]


def test_a_row_says_that_nothing_was_left_out(evaluator: Evaluator, task: Task, gpu: Gpu) -> None:
    verdict = judge(evaluator, task, gpu, candidate(kernel=KERNEL), thorough=False)
    assert verdict.status is Status.VERIFIED
    assert not verdict.evidence.ablated


def test_a_policy_with_a_name_that_torch_does_not_have_is_the_persons_to_mend(
    evaluator: Evaluator, task: Task, gpu: Gpu
) -> None:
    with pytest.raises(UsageError, match="no_such_operator"):
        judge(evaluator, task.model_copy(update={"torch_ops": ("no_such_operator",)}), gpu, candidate())
