"""A whole run with a model's replies: a draft that fails, its repair, a stage, the end. All but the model is real.

The replies come from an HTTP server on loopback; compiler, sandbox, interpreter and store are the ones that people use.
Three candidates are evaluated, at sizes so small that this takes about as long as starting the processes.
"""

import json
from pathlib import Path

import pytest

from candidates import identity
from candidates.store import Step, Store
from evaluator.verdict import Status
from tests.harness import model_replies as said
from tests.harness.llm.conftest import server as server
from tests.harness.llm.serving import ScriptedServer, answers
from tests.harness.shell import harness

PATIENCE_S = 1200.0  # with a machine that has much else to do
pytestmark = pytest.mark.timeout(3 * PATIENCE_S)

PATIENT = tuple(f"evaluator.limits.{name}_s=300" for name in ("compile", "first_forward", "forward", "search", "total"))
WITHOUT_GPU = ("evaluator.device=none", "gpu=rtx4090", "evaluator.draws=1", "task=tiny.py", *PATIENT)
STAGES = ("stage=draft,finetune", "search.rounds=1", "search.repairs=1")


def steps_of(folder: Path) -> list[tuple[Step, ...]]:
    """The steps of all runs, oldest run first."""
    with Store.open("", folder / "runs") as store:
        return [store.steps(run.id) for run in store.runs()]


def test_from_draft_to_stop(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(said.REFERENCE)
    server.script = [answers(reply) for reply in said.SCRIPT]
    model = ("proposer=llm", "llm.model=m", f"llm.base_url={server.url}", "llm.concurrency=1")

    done = harness("run", *STAGES, *WITHOUT_GPU, *model, folder=tmp_path, timeout_s=PATIENCE_S)

    assert done.returncode == 0, done.stderr + done.stdout
    assert "is finished: all stages are done" in done.stdout
    (steps,) = steps_of(tmp_path)
    assert [(step.stage, step.kind, step.decision) for step in steps] == [
        ("draft", "proposal", "failed"),
        ("draft", "repair", "nominated"),
        ("finetune", "proposal", "failed"),
        ("finetune", "repair", "nominated"),
    ]
    wrong, mended, forbidden, wider = steps
    assert [step.candidate for step in (mended, wider)] == [identity.digest(code) for code in (said.KERNEL, said.WIDER)]
    assert wrong.verdict is not None
    assert wrong.verdict.status is Status.WRONG_OUTPUT
    assert forbidden.verdict is not None
    assert forbidden.verdict.status is Status.RULE_VIOLATION
    assert [step.calls for step in steps] == [1, 2, 1, 2]
    assert sum(step.prompt_tokens for step in steps) == 6 * 1000  # as the server counts

    sent = [request["messages"][0]["content"] for request in server.requests]
    assert len(sent) == 6
    for asked in sent[1:3]:
        assert "The smallest case found in which it fails" in asked
        assert "No program of its kernels writes that element" in asked
    assert "plain text without code" in sent[1]
    assert "rounds down" in sent[2]
    assert "class ModelNew" in sent[3]
    assert "import os" in sent[4]
    look_back(tmp_path, wrong.candidate, mended.candidate, sent)
    replay(tmp_path)


def look_back(folder: Path, wrong: str, mended: str, sent: list[str]) -> None:
    """What was asked and answered is kept, and what would be asked again is the same."""
    shown = json.loads(harness("show", mended[:12], "--json", folder=folder).stdout)
    assert shown["analysis"] == {"prompt": sent[1], "reply": said.DRAFT_ANALYSIS}
    assert (shown["prompt"], shown["reply"]) == (sent[2], said.DRAFT_MENDED)
    assert (
        "smallest  It fails already for inputs float32[6, 1] (WIDTH = 1)."
        in harness("show", wrong, folder=folder).stdout
    )
    words = ("prompt", "stage=repair", f"candidate={wrong[:12]}", *WITHOUT_GPU, "--json")
    again = json.loads(harness(*words, folder=folder).stdout)
    assert again["analysis"] == sent[1]
    assert again["prompt"].replace("(the answer to the first call)", said.DRAFT_ANALYSIS) == sent[2]


def replay(folder: Path) -> None:
    """The recording gives the same steps, with both replies of a repair, and needs no server."""
    (first,) = steps_of(folder)
    words = ("proposer=recorded", f"proposer.run={first[0].run}")
    done = harness("run", *STAGES, *WITHOUT_GPU, *words, folder=folder, timeout_s=PATIENCE_S)
    assert done.returncode == 0, done.stderr + done.stdout
    _, second = steps_of(folder)
    kept = ("stage", "kind", "decision", "candidate", "prompt", "reply", "analysis_prompt", "analysis_reply")
    assert [[getattr(step, name) for name in kept] for step in second] == [
        [getattr(step, name) for name in kept] for step in first
    ]
