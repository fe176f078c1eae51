"""Static facts for other GPUs than the target, by the real compiler in the real sandbox."""

import hashlib
from pathlib import Path

import pytest

from evaluator.catalog import load_gpus, load_tolerance
from evaluator.gpus import Gpu
from evaluator.oracle.confinement import Confinement
from evaluator.oracle.elsewhere import Compilers
from evaluator.request import EvaluatorSettings, Limits, Request
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Status, Verdict

from .candidates import REFERENCE, candidate

CONF = Path(__file__).parents[2] / "conf"
GPUS = {gpu.name: gpu for gpu in load_gpus(CONF)}


BROKEN = """import torch


class ModelNew(torch.nn.Module):
    def __init__(self, *sizes):
        super().__init__()

    def forward(self, *inputs):
        return y
"""


def request(source: str, *also: str) -> Request:
    task = Task(
        name="scaled_relu",
        reference=REFERENCE,
        path=Path("scaled_relu.py"),
        small={"ROWS": 7},
        tolerance=load_tolerance("standard", CONF),
    )
    others: tuple[Gpu, ...] = tuple(GPUS[name] for name in also)
    digest = hashlib.sha256(source.encode()).hexdigest()
    return Request(source=source, digest=digest, task=task, target=GPUS["h100"], also=others, thorough=False)


def test_a_verified_candidate_has_facts_for_the_other_targets_too() -> None:
    with Evaluator(EvaluatorSettings(draws=1), device="", target=GPUS["h100"]) as evaluator:
        verdict = evaluator.evaluate(request(candidate(), "rtx4090", "a100_80"))

    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert verdict.evidence.target == "h100"
    assert [one.target for one in verdict.evidence.elsewhere] == ["rtx4090", "a100_80"]
    for one in verdict.evidence.elsewhere:
        (kernel,) = one.kernels
        assert one.reason == ""
        assert kernel.name == verdict.kernels[0].name
        assert kernel.registers
        assert kernel.fits is True
        assert kernel.time_share is None
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize(
    ("source", "limits", "reason"),
    [
        (candidate(), Limits(compile_s=0.01), "compile took longer"),
        (BROKEN, Limits(), "name 'y' is not defined"),
    ],
    ids=["slow", "broken"],
)  # fmt: skip
def test_why_there_are_no_facts_is_said(source: str, limits: Limits, reason: str) -> None:
    compilers = Compilers(Confinement(limits, GPUS["h100"], None), limits)
    steps: list[str] = []

    (found,) = compilers.facts(request(source, "rtx4090"), steps.append)

    assert (found.target, found.kernels) == ("rtx4090", ())
    assert reason in found.reason
    assert steps == ["compiling for NVIDIA GeForce RTX 4090"]


@pytest.mark.gpu
def test_facts_for_an_absent_gpu_stand_beside_measured_ones() -> None:
    from evaluator.devices import choose, detect

    target = choose("auto", tuple(GPUS.values()), detect(), "auto")
    assert target.device is not None
    asked = request(candidate(), "rtx4090").model_copy(update={"target": target.gpu})
    with Evaluator(EvaluatorSettings(draws=1), device=target.device.uuid, target=target.gpu) as evaluator:
        verdict = evaluator.evaluate(asked)

    assert verdict.measured
    (other,) = verdict.evidence.elsewhere
    assert other.kernels[0].registers
