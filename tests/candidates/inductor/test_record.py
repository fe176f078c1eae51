"""The recordings are what Inductor generates: one is made again here, by the code that a worker runs.

It takes some seconds, most of them for the imports of torch.compile.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.candidates.inductor.recordings import generation

ROOT = Path(__file__).parents[3]
PROGRAM = "import json; from tests.candidates.inductor.record import record; print(json.dumps(record('softmax')))"


def test_a_recording_made_again_is_the_same(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TRITON_INTERPRET": "0",
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env=environment,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    made = json.loads(run.stdout.splitlines()[-1])
    known = generation("softmax")
    assert known.true is not None
    assert made["configurations"]
    assert made["outputs"] == known.outputs
    assert [graph["sizes"] for graph in made["near"]] == [graph.sizes for graph in known.near]
    if made["software"] == known.software:  # another torch writes other code, for other configurations
        assert made["configurations"] == known.configurations
        texts = [made["true"]["code"], *(graph["code"] for graph in made["near"])]
        pairs = zip(texts, [known.true.code, *(graph.code for graph in known.near)], strict=True)
        assert all(_without_hash(text) == _without_hash(known_text) for text, known_text in pairs)


def _without_hash(code: str) -> list[str]:
    """Inductor writes a hash of its own sources into each kernel."""
    return [line for line in code.splitlines() if "backend_hash" not in line]
