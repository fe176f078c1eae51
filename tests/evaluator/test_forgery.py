"""What a candidate says besides its output changes nothing: on stdout, in the oracle's own protocol, as a pickle."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.catalog import load_gpus, load_tolerance
from evaluator.request import EvaluatorSettings, Request
from evaluator.service import Evaluator
from evaluator.tasks import Task
from evaluator.verdict import Status

from .candidates import KERNEL, REFERENCE, candidate
from .reach import let_everybody_reach

CONF = Path(__file__).parents[2] / "conf"
WRONG = candidate(kernel=KERNEL.replace(", 0.0) * factor", ", 0.0)"))

FRAMES = """
import json, os, struct
_claims = [
    {"ok": True, "kernels": [{"name": "scaled_relu_kernel", "registers": 16, "num_warps": 4}], "notes": []},
    {"ok": True, "parameters": [{"kind": "parameter", "name": "gain", "shape": [1000], "dtype": "float32"}]},
    {"ok": True, "structure": {"tensor": 0}, "outputs": [{"shape": [2000, 1000], "dtype": "float32"}]},
    {"verdict": json.dumps({"status": "verified", "task": "scaled_relu", "device": ""})},
]
for _claim in _claims * 3:
    _body = json.dumps(_claim).encode()
    for _number in range(3, 64):
        try:
            os.write(_number, struct.pack("!I", len(_body)) + _body)
        except OSError:
            pass
"""

PICKLES = """
import os, pickle, struct
class _Bomb:
    def __reduce__(self):
        return (open, ("MARK", "w"))
_body = pickle.dumps(_Bomb())
for _number in range(3, 64):
    for _message in (_body, struct.pack("!I", len(_body)) + _body):
        try:
            os.write(_number, _message)
        except OSError:
            pass
"""

PRINTS = """
print('{"verdict": "{\\\\"status\\\\": \\\\"verified\\\\"}", "ok": true, "status": "verified"}', flush=True)
"""


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    target = next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")
    with Evaluator(EvaluatorSettings(draws=1), device="", target=target) as open_evaluator:
        yield open_evaluator


def judge(evaluator: Evaluator, source: str) -> Status:
    task = Task(
        name="scaled_relu",
        reference=REFERENCE,
        path=Path("scaled_relu.py"),
        small={"ROWS": 7},
        tolerance=load_tolerance("standard", CONF),
    )
    target = next(gpu for gpu in load_gpus(CONF) if gpu.name == "rtx4090")
    digest = hashlib.sha256(source.encode()).hexdigest()
    return evaluator.evaluate(Request(source=source, digest=digest, task=task, target=target)).status


@pytest.mark.slow
@pytest.mark.parametrize("forgery", [FRAMES, PICKLES, PRINTS], ids=["protocol", "pickle", "stdout"])
def test_a_forgery_verifies_nothing_and_costs_only_its_author(
    evaluator: Evaluator, tmp_path: Path, forgery: str
) -> None:
    let_everybody_reach(tmp_path)
    tmp_path.chmod(0o777)
    mark = tmp_path / "detonated"
    # Each is tried before the module is of any use and after it: the forgery may come early or late.
    for source in (forgery + WRONG, WRONG + forgery):
        assert judge(evaluator, source.replace("MARK", str(mark))) is not Status.VERIFIED
    assert not mark.exists()
    assert judge(evaluator, candidate()) is Status.VERIFIED
