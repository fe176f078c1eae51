"""The life of a sandbox: started, waited for, frozen, killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluator.errors import MachineError
from evaluator.sandbox import Spec, probe, spawn, tree
from evaluator.sandbox.layers import start

from .conftest import LIMITS, ROOT

GRANDCHILDREN = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
print("ready", flush=True)
time.sleep(600)
"""

COUNT = """
import time
for number in range(6000):
    print(number, flush=True)
    time.sleep(0.01)
"""


def script(text: str) -> Spec:
    return Spec((sys.executable, "-I", "-S", "-c", text), **LIMITS)  # type: ignore[arg-type]


def until(condition: Callable[[], object], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(
    ("text", "code"),
    [("raise SystemExit(7)", 7), ("pass", 0), ("import os; os.kill(os.getpid(), 11)", 139), ("1/0", 1)],
)
def test_exit_code(text: str, code: int) -> None:
    with spawn(script(text)) as process:
        assert process.wait(20) == code
        assert process.poll() == code
    assert process.killed_for == ""


def test_output_has_both_streams() -> None:
    with spawn(script("import sys; print('out', flush=True); print('err', file=sys.stderr)")) as process:
        process.wait(20)
        assert process.output() == "out\nerr\n"


def test_wait_gives_up_after_the_time_allowed() -> None:
    with spawn(script("import time; time.sleep(600)")) as process:
        assert process.wait(0.05) is None
        assert process.poll() is None


def test_kill_takes_everything_along_and_can_be_repeated() -> None:
    with spawn(script(GRANDCHILDREN)) as process:
        assert until(lambda: "ready" in process.output())
        inside = tree.descendants(process.pid)
        assert len(inside) >= 5
        process.kill()
        assert not [pid for pid in inside if Path(f"/proc/{pid}").exists()]
        process.kill()
        assert process.poll() == 137


def test_kill_at_any_moment_of_the_start() -> None:
    for delay in (0, 0.001, 0.002, 0.005, 0.01, 0.02):
        process = spawn(script("import time; time.sleep(600)"))
        time.sleep(delay)
        below = tree.descendants(process.pid)
        process.kill()
        assert process.poll() is not None
        assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]


def test_leaving_the_context_kills() -> None:
    with spawn(script("import time; time.sleep(600)")) as process:
        assert until(lambda: tree.descendants(process.pid))
    assert process.poll() is not None


def test_the_host_sees_an_unprivileged_user_of_its_own() -> None:
    with spawn(script("import time; time.sleep(600)")) as one, spawn(script("import time; time.sleep(600)")) as other:
        # prlimit has become the program once its last descendant runs Python.
        assert until(lambda: all("python" in name(process.pid) for process in (one, other)))
        uids = [tree.host_uid(tree.descendants(process.pid)[-1]) for process in (one, other)]
        if os.geteuid() == 0:
            assert 0 not in uids
            assert uids[0] != uids[1]
        else:
            assert uids == [os.getuid()] * 2


def alive(pid: str) -> bool:
    """Not ended: what has ended may wait for the host's first process to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def name(pid: int) -> str:
    below = tree.descendants(pid)
    return Path(f"/proc/{below[-1]}/comm").read_text() if below else ""


def test_ctrl_c_does_not_reach_it() -> None:
    with spawn(script("import time; time.sleep(600)")) as process:
        assert os.getpgid(process.pid) != os.getpgid(0)


def test_it_outlives_the_thread_that_started_it() -> None:
    started = []
    thread = threading.Thread(target=lambda: started.append(spawn(script("import time; time.sleep(600)"))))
    thread.start()
    thread.join()
    with started[0] as process:
        assert process.wait(0.3) is None


def test_it_dies_with_its_harness() -> None:
    text = f"""
import os, sys, time
from evaluator.sandbox import Spec, spawn, tree
process = spawn(Spec((sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"), **{LIMITS!r}))
while len(tree.descendants(process.pid)) < 2:
    time.sleep(0.01)
time.sleep(0.2)
print(process.pid, *tree.descendants(process.pid), flush=True)
os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    pids = done.stdout.split()
    assert len(pids) >= 3
    assert until(lambda: not any(map(alive, pids)))


@pytest.mark.parametrize("how", ["control group", "signals"])
def test_frozen_it_stands_still_and_thawed_it_goes_on(how: str) -> None:
    if how == "control group" and "cgroup-freeze" not in probe().names:
        pytest.skip("no control group can be made here to freeze")
    with start(script(COUNT), groups=how == "control group") as process:
        assert until(lambda: "5\n" in process.output())
        process.freeze()
        # What was printed before may still be on its way through the pipe.
        time.sleep(0.05)
        before = process.output()
        time.sleep(0.2)
        assert process.output() == before
        process.thaw()
        assert until(lambda: process.output() != before)


@pytest.mark.parametrize("how", ["control group", "signals"])
def test_a_frozen_sandbox_can_be_killed(how: str) -> None:
    with start(script(COUNT), groups=how == "control group") as process:
        assert until(lambda: "1\n" in process.output())
        process.freeze()
        process.kill()
        assert process.poll() == 137


def test_a_missing_path_is_a_machine_error() -> None:
    with pytest.raises(MachineError, match="does not exist"):
        spawn(Spec(("/bin/true",), (Path("/nowhere/at/all"),), **LIMITS))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/", "/etc", "/dev/shm", "/proc", "/root", "/home"])
def test_private_folders_are_never_bound(path: str) -> None:
    with pytest.raises(MachineError, match="as a whole"):
        spawn(Spec(("/bin/true",), (Path(path),), **LIMITS))  # type: ignore[arg-type]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's sandbox runs as somebody who can't read the owner's files")
def test_what_the_sandbox_could_not_read_is_said_beforehand(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(MachineError, match="can't be read") as caught:
        spawn(Spec(("/bin/true",), (tmp_path,), **LIMITS))  # type: ignore[arg-type]
    assert "chmod" in caught.value.remedy
