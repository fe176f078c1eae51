"""A second opinion on a candidate: kernelguard's patterns of known cheats, where it is installed.

Advice only. It finds few of the cheats that the evaluation finds, and knows nothing of tasks. It reads a model's text
with many regular expressions, so it runs in a process of its own with a time limit; it only parses.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from typing import IO, Any, Self

from candidates.rules.finding import Finding
from candidates.text import neutralise

SECONDS = 10.0
_LONGEST = 300


class Opinion:
    """An opinion that is being formed while other work goes on; a context manager that leaves no process behind."""

    def __init__(self, source: str) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        if not available():
            return
        with tempfile.TemporaryFile() as text:
            text.write(source.encode(errors="replace"))
            text.seek(0)
            self._output = tempfile.TemporaryFile()  # noqa: SIM115  read when the process has ended
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "kernelguard", "--api-mode"],
                stdin=text,
                stdout=self._output,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._output is not None:
            self._output.close()

    def findings(self) -> tuple[Finding, ...]:
        """What kernelguard noticed; empty where it is not installed, failed or took too long."""
        if self._process is None or self._output is None:
            return ()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            return ()
        self._output.seek(0)
        said = self._output.read()
        with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError):  # another version, another form
            return tuple(dict.fromkeys(_finding(each) for each in json.loads(said)["matched_patterns"]))
        return ()


@cache
def available() -> bool:
    """Whether kernelguard is installed."""
    return importlib.util.find_spec("kernelguard") is not None


def _finding(pattern: dict[str, Any]) -> Finding:
    name = str(pattern["pattern"]).lower().replace("_", "-")
    return Finding(
        rule=f"kernelguard-{name}"[:80],
        line=0,
        message=neutralise(f"kernelguard ({pattern['severity']}): {pattern['evidence']}")[:_LONGEST],
        remedy="Only advice: the verdict does not depend on it.",
        severity="advice",
    )
