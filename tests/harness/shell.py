"""Runs `python -m harness ...` as a person would, in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_KEPT = ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")


def harness(
    *words: str, folder: Path, environment: Mapping[str, str] | None = None, timeout_s: float = 240
) -> subprocess.CompletedProcess[str]:
    """The finished process. No key and no server is in its environment unless given."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]  # where packages may be
    return subprocess.run(
        [sys.executable, "-m", "harness", *words],
        cwd=folder,
        env=kept | {"PYTHONPATH": os.pathsep.join(paths)} | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )
