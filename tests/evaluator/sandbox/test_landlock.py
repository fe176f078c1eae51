"""The fallback sandbox: what Landlock, the system call filter and the limits hold back in place of namespaces."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.launch import landlock
from evaluator.sandbox import REDUCED
from tests.evaluator.reach import let_everybody_reach

from .conftest import LIMITS, ROOT, Run

LARGE = {"memory_gb": 8.0, "processes": 256, "tmp_mb": 256, "output_kb": 64}

READ = """
import os, sys
for path in sys.argv[1:]:
    try:
        print(path, os.listdir(path) if os.path.isdir(path) else open(path).read())
    except OSError as error:
        print("refused", path)
"""

SOCKETS = """
import socket
def attempt(name, act):
    try:
        act()
        print(name, "allowed")
    except OSError:
        print(name, "refused")
attempt("inet", lambda: socket.socket(socket.AF_INET))
attempt("inet6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
attempt("netlink", lambda: socket.socket(16, socket.SOCK_RAW))
attempt("packet", lambda: socket.socket(17, socket.SOCK_RAW))
attempt("datagrams", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt("path", lambda: socket.socket(socket.AF_UNIX).connect("/run/docker.sock"))
attempt("pair", lambda: socket.socketpair())
"""

SIGNALS = """
import os, sys, time
for pid in (1, os.getppid(), int(sys.argv[1])):
    try:
        os.kill(pid, 0)
        print("allowed")
    except OSError:
        print("refused")
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
print("alone")
"""

NEST = """
import os
print(os.environ["TMPDIR"], flush=True)
os.chdir(os.environ["TMPDIR"])
for _ in range(3000):
    os.mkdir("d" * 100)
    os.chdir("d" * 100)
open("deep", "w").write("x" * 1000)
os.mkdir(os.environ["TMPDIR"] + "/closed", 0)
"""

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1); os.close(2)
        time.sleep(600)
    os._exit(0)
os.wait()
print(open("/proc/self/stat").read().split()[3])
"""

FILL = {
    "many files": """
for number in range(20000):
    open(f"{number}", "w").close()
""",
    "large files": """
for number in range(40):
    open(f"{number}", "wb").write(bytes(2 << 20))
""",
    "deleted files": """
held = []
for number in range(40):
    held.append(open(f"{number}", "wb"))
    held[-1].write(bytes(2 << 20))
    held[-1].flush()
    os.unlink(f"{number}")
""",
}

WITHOUT_LANDLOCK = """
import ctypes, struct, sys
sys.path.insert(0, sys.argv[1])
from evaluator.errors import MachineError
from evaluator.launch import seccomp
from evaluator.sandbox import probe
steps = ((0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x50000 | int(sys.argv[2])), (0x06, 0, 0, 0x7FFF0000))
code = b"".join(struct.pack("=HBBI", *step) for step in steps)
class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))
seccomp.give_up_privileges()
assert ctypes.CDLL(None).prctl(22, 2, ctypes.byref(Program(len(steps), code))) == 0
try:
    print(probe("landlock"))
except MachineError as error:
    print(error)
"""


def test_isolation_is_called_reduced_before_anything_else(run_reduced: Run) -> None:
    answer = run_reduced("/bin/true", "")
    assert answer.layers[0] == REDUCED
    assert {"seccomp", "no-new-privileges", "no-capabilities", "rlimits"} <= set(answer.layers)
    assert {"pid-namespace", "network-namespace", "mount-namespace"} <= set(answer.missing)
    assert not set(answer.layers) & set(answer.missing)


def test_bubblewrap_is_not_called_reduced(run: Run) -> None:
    assert REDUCED not in run("/bin/true", "").layers


@pytest.mark.parametrize("code", [38, 95], ids=["not in the kernel", "not started"])
def test_without_landlock_nothing_is_run(code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LANDLOCK, str(ROOT), str(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("This kernel has no Landlock")
    assert "lsm=" in done.stdout


def test_the_host_can_not_be_read(run_reduced: Run, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("kept")
    let_everybody_reach(tmp_path)
    private = ["/", "/etc/passwd", "/home", "/tmp", "/var", "/sys", "/proc", "/proc/1/cmdline", "/dev", "/dev/shm"]
    private += [str(tmp_path / "secret.txt"), str(ROOT), str(ROOT / "pyproject.toml"), str(ROOT / "evaluator")]
    answer = run_reduced("{python}", "-I", "-S", "-c", READ, *private)
    assert answer.output.splitlines() == [f"refused {name}" for name in private]


def test_its_own_process_and_the_machines_facts_can_be_read(run_reduced: Run) -> None:
    script = "print(len(open('/proc/self/maps').read()) > 0, len(open('/proc/meminfo').read()) > 0)"
    assert run_reduced(script).output == "True True\n"


def test_the_network_can_not_be_used(run_reduced: Run) -> None:
    answer = run_reduced(SOCKETS)
    said = dict(line.split() for line in answer.output.splitlines())
    assert said.pop("pair") == "allowed"
    assert set(said.values()) == {"refused"}
    assert len(said) == 6


def test_nobody_else_can_be_signalled(run_reduced: Run) -> None:
    answer = run_reduced("{python}", "-I", "-S", "-c", SIGNALS, str(os.getpid()), timeout_s=20)
    assert answer.output.splitlines().count("refused") == 3
    assert (answer.code, answer.killed_for) == (0, "")


def test_the_environment_is_only_what_is_said(run_reduced: Run) -> None:
    answer = run_reduced("/usr/bin/env", "--null", environment={"TRITON_INTERPRET": "1"})
    inside = dict(entry.split("=", 1) for entry in answer.output.split("\0") if entry)
    assert inside["TRITON_INTERPRET"] == "1"
    assert inside["HOME"] == inside["TMPDIR"] + "/home"
    assert "API_KEY_OF_SOMEBODY" not in inside


def test_only_its_own_folder_can_be_written_and_it_is_removed(run_reduced: Run) -> None:
    script = """
import os
for folder in ("/tmp", "/dev/shm", "/var/tmp", os.environ["TMPDIR"] + "/..", os.environ["TMPDIR"]):
    try:
        open(folder + "/intruder", "w").write("x")
        print("written", folder)
    except OSError:
        print("refused", folder)
"""
    *others, own = run_reduced(script).output.splitlines()
    assert len(others) == 4
    assert all(line.startswith("refused") for line in others)
    assert own.startswith("written ")
    assert not Path(own.split()[1]).parent.exists()


def test_a_folder_nested_beyond_every_path_is_removed(run_reduced: Run) -> None:
    own = Path(run_reduced(NEST, **LARGE).output.split()[0])
    assert own.name == "own"
    assert not own.parent.exists()


def test_metadata_of_files_can_not_be_changed(run_reduced: Run) -> None:
    script = "import os, sys\ntry: os.chmod(sys.executable, 0o777); print('changed')\nexcept OSError: print('refused')"
    assert run_reduced(script).output == "refused\n"


def test_orphans_end_with_the_program(run_reduced: Run) -> None:
    answer = run_reduced(DAEMON)
    assert answer.code == 0
    supervisor = int(answer.output)
    # Its children can't outlive it unseen: they would be children of the first process now.
    assert not Path(f"/proc/{supervisor}").exists()
    sleeping = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "os.setsid()\n    if os.fork" not in sleeping


@pytest.mark.parametrize("how", FILL)
def test_disk_is_bounded(run_reduced: Run, how: str) -> None:
    script = f"import os, time\nos.chdir(os.environ['TMPDIR'])\n{FILL[how]}\ntime.sleep(60)"
    answer = run_reduced(script, timeout_s=30)
    assert (answer.killed_for, answer.code) == ("disk", 137)


def test_what_can_not_be_measured_counts_as_too_much(run_reduced: Run) -> None:
    script = "import os, time\nos.mkdir(os.environ['TMPDIR'] + '/closed', 0)\ntime.sleep(60)"
    answer = run_reduced(script, timeout_s=5)
    # Root can look into a closed folder all the same.
    assert answer.killed_for == ("" if "real-uid" in answer.layers else "disk")


def test_a_fork_bomb_is_ended(run_reduced: Run) -> None:
    answer = run_reduced("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", timeout_s=30)
    assert (answer.killed_for, answer.code) == ("processes", 137)


def test_a_memory_hog_is_ended(run_reduced: Run) -> None:
    script = "held = [b'x' * (16 << 20) for _ in range(40)]\nimport time; time.sleep(60)"
    assert run_reduced(script, memory_gb=0.25, timeout_s=30).killed_for == "memory"


def test_limits_can_not_be_raised_again(run_reduced: Run) -> None:
    script = """
import resource
for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NOFILE):
    try:
        resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("raised", limit)
    except (ValueError, OSError):
        print("refused")
"""
    assert run_reduced(script).output == "refused\n" * 4


def test_exit_codes_are_the_programs(run_reduced: Run) -> None:
    assert run_reduced("raise SystemExit(7)").code == 7
    assert run_reduced("import os; os.kill(os.getpid(), 11)").code == 139
    assert run_reduced("/nowhere/at/all", "").code == 125


def test_the_c_compilers_library_can_be_loaded(run_reduced: Run) -> None:
    script = (
        'cd "$TMPDIR" && echo "int three(void) { return 3; }" > t.c && cc -shared -fPIC -o t.so t.c && '
        "\"$0\" -c \"import ctypes, os; print(ctypes.CDLL(os.environ['TMPDIR'] + '/t.so').three())\""
    )
    answer = run_reduced("/bin/sh", "-c", script, "{python}", **LARGE)
    assert (answer.code, answer.output) == (0, "3\n")


@pytest.mark.slow
def test_torch_and_triton_can_be_imported(run_reduced: Run) -> None:
    answer = run_reduced("{python}", "-c", "import torch, triton; print(torch.ones(3).sum())", timeout_s=90, **LARGE)
    assert (answer.code, answer.output, answer.killed_for) == (0, "tensor(3.)\n", "")


def test_it_dies_with_its_harness() -> None:
    if landlock.abi() < landlock.OLDEST_ABI:
        pytest.skip("this kernel has no Landlock")
    python = sys.executable if os.geteuid() != 0 else "/usr/bin/python3"
    text = f"""
import os, sys, time
from evaluator.sandbox import Spec, tree
from evaluator.sandbox.landlock import start
process = start(Spec((sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"), form="landlock", **{LIMITS!r}))
while not tree.descendants(process.pid):
    time.sleep(0.01)
time.sleep(0.3)
print(process.pid, *tree.descendants(process.pid), flush=True)
os.kill(os.getpid(), 9)
"""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(lambda p: "site-packages" in p, sys.path)])}
    done = subprocess.run([python, "-c", text], capture_output=True, text=True, timeout=60, env=env, check=False)
    pids = done.stdout.split()
    assert len(pids) == 2, done.stderr
    for _ in range(200):
        if not any(_alive(pid) for pid in pids):
            return
        subprocess.run(["sleep", "0.05"], check=True)
    pytest.fail("the sandbox outlived its harness")


def _alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
