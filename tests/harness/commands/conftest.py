"""A folder in which a run has left its results, made with the real store."""

from pathlib import Path

import pytest

from candidates.store import Step, Store
from evaluator.verdict import Profile, Status
from tests.harness import recording

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]not markup[/]"
FINGERPRINT = "f" * 16
PROMPT = "Make it faster.\n"
QUESTION = "What is wrong?\n"
REPLY = f"Fewer warps {HOSTILE}\n"


def step(index: int, factor: int, **more: object) -> Step:
    """A step of the run, with nothing spent."""
    given: dict[str, object] = {
        "index": index,
        "stage": "finetune" if index else "start",
        "round": index,
        "kind": "proposal" if index else "start",
        "candidate": recording.digest(factor),
        "parent": recording.digest(0) if index else "",
        "proposer": "llm" if index else "task",
        "change": "",
        "model": "some-model" if index else "",
        "prompt": "",
        "reply": "",
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "usd": 0.0,
        "seconds": 1.0,
        "calls": 1 if index else 0,
        "verdict": None,
        "decision": "start",
        "note": "",
    }
    return Step.model_validate(given | more)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `runs` holds one run: a start of 2 ms, a kept one of 1 ms, and one that gave wrong output."""
    folder = tmp_path_factory.mktemp("results")
    task = recording.task()
    verdicts = [
        recording.verdict(ms=2.0),
        recording.verdict(ms=1.0),
        recording.failed(Status.WRONG_OUTPUT, f"element 3 differs {HOSTILE}"),
    ]
    with Store.open("", folder / "runs") as store:
        run = store.open_run("k" * 64, {"task": "scale"})
        store.put_task(task)
        steps = [
            step(0, 0, verdict=verdicts[0]),
            step(
                1,
                1,
                verdict=verdicts[1],
                decision="kept",
                change=f"fewer warps {HOSTILE}",
                prompt=store.put_text(PROMPT),
                reply=store.put_text(REPLY),
            ),
            step(
                2,
                2,
                kind="repair",
                verdict=verdicts[2],
                decision="failed",
                parent=recording.digest(1),
                prompt=store.put_text(PROMPT),
                reply=store.put_text(REPLY),
                analysis_prompt=store.put_text(QUESTION),
                analysis_reply=store.put_text(REPLY),
            ),
        ]
        for number, verdict in enumerate(verdicts):
            digest = store.put_candidate(recording.source(number))
            store.put_verdict(digest, task, FINGERPRINT, verdict)
        profile = Profile(source="ncu", kernels={"scale_kernel": {"launch__grid_size": 128.0}})
        store.put_profile(recording.digest(1), task.digest, FINGERPRINT, profile)
        for each in steps:
            store.add_step(run.id, each)
        store.close_run(run.id, "finished", "all stages are done")
    return folder
