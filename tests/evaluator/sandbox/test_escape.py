"""Ways out of a sandbox, in both forms and started by either user: to other candidates, to later ones, to the host."""

import socket
from pathlib import Path

import pytest

from evaluator.sandbox import python_paths
from tests.evaluator.reach import let_everybody_reach

from .conftest import Run

LOOK = """
import os, sys
for path in sys.argv[1:]:
    try:
        print("seen", os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(4))
    except OSError:
        print("refused")
"""

SPREAD = """
import os
places = ["/tmp", "/dev/shm", "/var/tmp", "/run", os.environ["HOME"], os.environ["TMPDIR"], "/usr", "/proc"]
for place in places:
    for name in ("{mark}", "triton/{mark}"):
        try:
            os.makedirs(os.path.dirname(f"{{place}}/{{name}}"), exist_ok=True)
            open(f"{{place}}/{{name}}", "w").write("planted")
        except OSError:
            pass
try:
    os.setxattr("/tmp", "user.{mark}", b"planted")
except OSError:
    pass
import ctypes
ctypes.CDLL(None).shmget(0x5EED, 4096, 0o1666)
print("spread")
"""

FIND = """
import ctypes, os
found = []
for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", os.environ["HOME"], os.environ["TMPDIR"], "/usr"):
    for folder, _, names in os.walk(place):
        if folder.count("/") > 6:
            continue
        found += [name for name in names if name == "{mark}"]
print(found, ctypes.CDLL(None).shmget(0x5EED, 4096, 0))
"""

DESCRIPTORS = """
import os, sys
opened = []
for name in os.listdir("/proc/self/fd"):
    try:
        os.fstat(int(name))
        opened.append(int(name))
    except OSError:
        pass  # the descriptor that listed the folder
kinds = [os.readlink(f"/proc/self/fd/{number}").split(":")[0] for number in sorted(opened)]
print(sorted(opened) == [0, 1, 2, *sorted(map(int, sys.argv[1:]))], kinds[0])
"""

FORGE = """
import os, sys
# Whatever is open is written to: results, frames of the oracle's protocol, code for whoever unpickles.
class Bomb:
    def __reduce__(self):
        return (open, (sys.argv[1] + "/detonated", "w"))
import json, pickle, struct
verdict = json.dumps({{"status": "verified", "ok": True, "verdict": {{"status": "verified"}}}}).encode()
for number in range(256):
    for message in (verdict + b"\\n", struct.pack("!I", len(verdict)) + verdict, pickle.dumps(Bomb())):
        try:
            os.write(number, message)
        except OSError:
            pass
"""

CONTROL = """
import os, signal
for pid in range(1, 400):
    if pid not in (os.getpid(),):
        for number in (signal.SIGSTOP,):
            try:
                os.kill(pid, number)
            except OSError:
                pass
print("alive", os.getppid() >= 0)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the host's that everybody may read and write: only the sandbox is in the way."""
    let_everybody_reach(tmp_path)
    tmp_path.chmod(0o777)
    return tmp_path


def test_nobody_elses_compiled_cache_can_be_read(run_anyhow: Run, folder: Path) -> None:
    cache = folder / ".triton" / "cache" / "ABCDEF"
    cache.mkdir(parents=True)
    (cache / "kernel.cubin").write_bytes(b"\x7fELF")
    (cache / "kernel.cubin").chmod(0o644)
    let_everybody_reach(cache)
    own = Path("/root/.triton/cache")
    answer = run_anyhow("{python}", "-I", "-S", "-c", LOOK, str(cache), str(cache / "kernel.cubin"), str(own))
    assert answer.output == "refused\n" * 3


def test_a_neighbours_folder_can_not_be_read(run_anyhow: Run) -> None:
    # Each is alone in what it sees as its own; of a neighbour not even the name can be listed.
    # An interpreter that lies below /tmp itself, as in a clone there, is bound to be seen.
    bound = {path.parts[2] for path in python_paths() if path.is_relative_to("/tmp")}
    own = sorted({"home"} | bound)
    answer = run_anyhow(f"import os; print([n for n in os.listdir(os.environ['TMPDIR']) if n not in {own}])")
    assert answer.output == "[]\n"
    listed = run_anyhow("{python}", "-I", "-S", "-c", f"import os; print(sorted(os.listdir('/tmp')) == {own})")
    assert listed.output == "True\n" or "PermissionError" in listed.output


def test_nothing_that_is_written_survives(run_anyhow: Run) -> None:
    mark = f"planted-{id(run_anyhow):x}"
    assert run_anyhow(SPREAD.format(mark=mark)).output == "spread\n"
    assert run_anyhow(FIND.format(mark=mark)).output == "[] -1\n"
    for place in ("/tmp", "/dev/shm", "/var/tmp", "/run"):
        assert not Path(place, mark).exists()
        assert not Path(place, "triton", mark).exists()


def test_the_only_descriptors_are_those_that_were_lent(run_anyhow: Run) -> None:
    answer = run_anyhow("{python}", "-I", "-S", "-c", DESCRIPTORS, "{memory}", "{socket}", lend=True)
    assert (answer.code, answer.output) == (0, "True /dev/null\n")


def test_what_is_forged_on_any_descriptor_is_text_and_runs_nowhere(run_anyhow: Run, folder: Path) -> None:
    answer = run_anyhow("{python}", "-I", "-S", "-c", FORGE.format(), str(folder), lend=True)
    assert (answer.code, answer.killed_for) == (0, "")
    assert '"verified"' in answer.output
    assert list(folder.iterdir()) == []


def test_stopping_whatever_can_be_reached_costs_only_itself(run_anyhow: Run) -> None:
    # It may reach the process that waits for it, whose end is then not seen; being killed from outside it can't avoid.
    answer = run_anyhow(CONTROL, timeout_s=3)
    assert (answer.output, answer.problem) == ("alive True\n", "")


def test_a_socket_of_the_host_can_not_be_reached(run_anyhow: Run, folder: Path) -> None:
    path = folder / "service.sock"
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(path))
        service.listen()
        path.chmod(0o777)
        script = (
            "import socket, sys\ntry:\n  socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('connected')\n"
            "except OSError: print('refused')"
        )
        assert run_anyhow("{python}", "-I", "-S", "-c", script, str(path)).output == "refused\n"
