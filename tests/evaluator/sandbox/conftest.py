"""Every property of the sandbox is tested as root starts it and as an ordinary user does; some in its fallback form."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evaluator.launch import landlock

ROOT = Path(__file__).parents[3]
DRIVER = Path(__file__).with_name("driver.py")
ORDINARY = 12345
LIMITS = {"memory_gb": 1.0, "processes": 16, "tmp_mb": 8, "output_kb": 64}


@dataclass(frozen=True)
class Result:
    """What the driver printed; `problem` is set where there was no sandbox."""

    code: int | None = None
    output: str = ""
    killed_for: str = ""
    layers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    reply: str = ""
    memory: str = ""
    problem: str = ""
    remedy: str = ""


Run = Callable[..., Result]


@pytest.fixture(params=["root", "ordinary user"])
def run(request: pytest.FixtureRequest) -> Run:
    """`run(*argv, timeout_s, lend, **spec)`; a single argument is a Python script."""
    return _runner(_starter(request.param), "bubblewrap")


@pytest.fixture(params=["root", "ordinary user"])
def run_reduced(request: pytest.FixtureRequest) -> Run:
    """As `run`, in the fallback form."""
    return _reduced(request.param)


@pytest.fixture(params=[f"{form}, {who}" for form in ("bubblewrap", "landlock") for who in ("root", "ordinary user")])
def run_anyhow(request: pytest.FixtureRequest) -> Run:
    """As `run`, in both forms."""
    form, who = request.param.split(", ")
    return _reduced(who) if form == "landlock" else _runner(_starter(who), form)


def _reduced(who: str) -> Run:
    if landlock.abi() < landlock.OLDEST_ABI:
        pytest.skip("the fallback sandbox: this kernel has no Landlock, or one that is too old")
    # Nothing opens the way to an interpreter in a private folder, so root takes the one that others can read.
    return _runner(_starter("ordinary user")[-1:] if who == "root" else _starter(who), "landlock")


def _runner(starter: tuple[str, ...], form: str) -> Run:
    def run(*argv: str, timeout_s: float = 20, lend: bool = False, **spec: Any) -> Result:
        words = argv if len(argv) > 1 else ("{python}", "-I", "-S", "-c", *argv)
        asked = {"argv": words, "spec": LIMITS | {"form": form} | spec, "timeout_s": timeout_s, "lend": lend}
        return drive(starter, json.dumps(asked))

    return run


def drive(starter: tuple[str, ...], asked: str) -> Result:
    done = subprocess.run(
        [*starter, str(DRIVER)],
        input=asked,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
        env=os.environ | {"PYTHONPATH": _python_path(starter[-1]), "API_KEY_OF_SOMEBODY": "sesame"},
    )
    assert done.returncode == 0, done.stderr
    return Result(**json.loads(done.stdout))


def _python_path(interpreter: str) -> str:
    """The repository, what was there already, and for another interpreter this one's packages, such as bubblewrap."""
    own = [] if interpreter == sys.executable else [path for path in sys.path if path.endswith("site-packages")]
    given = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([str(ROOT), *own, *filter(None, [given])])


@cache
def _starter(who: str) -> tuple[str, ...]:
    """The command that starts Python as `who`; skips the test where that can't be."""
    if who == "root":
        if os.geteuid() != 0:
            pytest.skip("the sandbox that root starts: these tests were not started by root")
        return (sys.executable,)
    if os.geteuid() != 0:
        return (sys.executable,)
    # setpriv itself starts a program with root's right to look into folders; env, in between, has that no more.
    become = ("setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "/usr/bin/env")
    if shutil.which("setpriv") is None:
        pytest.skip("the sandbox that an ordinary user starts: setpriv, to become one, is missing")
    for python in (sys.executable, "/usr/bin/python3"):
        check = "import sys; import evaluator.sandbox; sys.exit(sys.version_info < (3, 11))"
        env = os.environ | {"PYTHONPATH": _python_path(python)}
        try:
            done = subprocess.run([*become, python, "-c", check], env=env, cwd="/", capture_output=True, check=False)
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            return (*become, python)
    return pytest.skip("the sandbox that an ordinary user starts: no Python 3.11 here that such a user could read")
