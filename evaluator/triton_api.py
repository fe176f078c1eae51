"""Which names this Triton has: asked of Triton itself once per version, in a process of its own, and kept as a file.

Prompts and static rules are written from this list, so that they are never behind the installed version.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evaluator.errors import MachineError

FORMAT = 1  # of the file; part of its name
SECONDS = 120.0

_PROBE = """
import json, sys
import triton, triton.language as tl
from triton.language.extra import libdevice
def public(module, also=lambda value: True):
    return sorted(n for n in dir(module) if not n.startswith("_") and also(getattr(module, n)))
json.dump({
    "language": public(tl),
    "math": public(tl.math, callable),
    "tensor": public(tl.tensor),
    "libdevice": public(libdevice, callable),
    "top": public(triton),
}, sys.stdout)
"""


@dataclass(frozen=True)
class TritonApi:
    """Public names of the installed Triton."""

    version: str
    language: frozenset[str]  # of triton.language: load, dot, float32, ...
    libdevice: frozenset[str]  # of triton.language.extra.libdevice: tanh, rsqrt, ...
    math: frozenset[str] = frozenset()  # of triton.language.math
    tensor: frozenset[str] = frozenset()  # methods and attributes of a tensor in a kernel
    top: frozenset[str] = frozenset()  # of triton: jit, autotune, cdiv, ...


@cache
def names() -> TritonApi:
    """The names of the installed Triton. Imports no Triton here; takes seconds once per version, then a file's reading.

    Raises:
        MachineError: Triton is not installed, or can't be imported.
    """
    try:
        installed = version("triton")
    except PackageNotFoundError as error:
        raise MachineError("Triton is not installed in this environment.", "Run `make install`.") from error
    path = cache_folder() / f"triton-{installed}-names-{FORMAT}.json"
    found = _read(path)
    if found is None:
        found = _probe(installed)
        _write(path, found)
    return TritonApi(installed, **{field: frozenset(values) for field, values in found.items()})


def cache_folder() -> Path:
    """Where this project keeps what can be found out again: $XDG_CACHE_HOME or ~/.cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "triton-harness"


def _read(path: Path) -> dict[str, list[str]] | None:
    """What an earlier probe wrote; None if there is no such file or it is damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    fields = {"language", "libdevice", "math", "tensor", "top"}
    return found if isinstance(found, dict) and set(found) == fields else None


def _probe(installed: str) -> dict[str, list[str]]:
    # TRITON_INTERPRET changes what the language's names are; the names of the compiler are wanted.
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", _PROBE]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment, cwd="/"
        )
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"Importing Triton {installed} took more than {SECONDS:.0f} s.") from error
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise MachineError(f"Triton {installed} can't be imported: {last}", "Run `make install` to repair it.")
    found: dict[str, list[str]] = json.loads(run.stdout)
    return found


def _write(path: Path, found: dict[str, list[str]]) -> None:
    """Keep the answer, complete or not at all; a cache that can't be written costs time, not the answer."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(found, file)
        Path(file.name).replace(path)
    except OSError:
        return
