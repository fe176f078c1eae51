"""The whole way on a GPU: torch.compile generates, the code is rewritten, judged and timed, and a run goes on with it.

python -m pytest -m gpu -rA tests/harness/test_inductor_gpu.py
"""

import hashlib
import json
from pathlib import Path

import pytest

from candidates.inductor.module import candidate
from candidates.static_rules import check
from evaluator import triton_api
from evaluator.devices import Target
from evaluator.request import Request
from evaluator.service import Evaluator
from evaluator.verdict import Status
from tests.candidates.inductor.recordings import TASKS, task
from tests.harness.shell import harness

pytestmark = pytest.mark.gpu

OF_COMPILED = 0.95
"""How fast, of torch.compile's speed, a draft must at least be: it is the same code under another launcher."""


@pytest.mark.parametrize("name", [name for name in TASKS if name != "matmul_bias_relu"])
def test_a_draft_verifies_and_is_as_fast_as_torch_compile(evaluator: Evaluator, target: Target, name: str) -> None:
    asked = task(name)
    made = evaluator.generate(asked)
    assert made.reason == ""
    assert made.true is not None
    assert made.configurations
    source = candidate(made, asked.reference)
    print(source)
    assert check(source, triton_api.names()) == ()
    digest = hashlib.sha256(source.encode()).hexdigest()
    verdict = evaluator.evaluate(Request(source=source, digest=digest, task=asked, target=target.gpu))
    assert (verdict.status, verdict.reason) == (Status.VERIFIED, "")
    assert verdict.measured
    speedup = verdict.speedup("compile")
    print(f"{name}: {verdict.time}, over torch.compile {speedup}, configurations {made.configurations}")
    assert speedup is not None
    assert speedup >= OF_COMPILED


def test_a_product_that_the_policy_does_not_leave_to_torch_is_a_reason(evaluator: Evaluator) -> None:
    assert "leaves addmm to torch's own kernels" in evaluator.generate(task("matmul_bias_relu")).reason


# The draft of softmax reaches 70 % of the memory roof on an H100; one at the roof leaves rules nothing to gain.
@pytest.mark.parametrize(("name", "drafted"), [("softmax", True), ("matmul_bias_relu", False)])
def test_a_run_begins_with_the_draft_and_goes_on_by_the_rules(tmp_path: Path, name: str, drafted: bool) -> None:
    words = ("run", "stage=finetune", f"task={name}", "proposer=inductor", "search.rounds=3")
    done = harness(*words, folder=tmp_path)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "first what torch.compile generates on this GPU, then the rules" in done.stdout
    assert ("No draft from torch.compile: Inductor leaves addmm" in done.stdout) is not drafted
    rows = json.loads(harness("leaderboard", "--task", name, "--json", folder=tmp_path).stdout)
    assert "rules" in {row["proposer"] for row in rows}
    assert ("inductor" in {row["proposer"] for row in rows}) is drafted
