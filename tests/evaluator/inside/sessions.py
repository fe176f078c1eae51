"""Runs the sessions of this folder, once for all tests of a module."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
RTX4090: dict[str, Any] = {
    "name": "rtx4090",
    "title": "NVIDIA GeForce RTX 4090",
    "compute_capability": "8.9",
    "sms": 128,
    "memory_gb": 24,
    "threads_per_sm": 1536,
    "shared_per_sm_bytes": 102_400,
    "shared_per_block_bytes": 101_376,
    "l2_mb": 72,
}


def run_session(mode: str, jobs: dict[str, Any], gpu: dict[str, Any] = RTX4090) -> dict[str, Any]:
    """What session.py found out about `jobs`; `mode` is compile, interpret or pins."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TRITON_INTERPRET": "0"}
    run = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "session.py"), mode],
        input=json.dumps({"gpu": gpu, "jobs": jobs}),
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env=environment,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    answers: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return answers
