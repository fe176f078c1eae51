"""What a program in the sandbox can't see, reach or become."""

import ctypes
import platform
import socket
from pathlib import Path

import pytest

from evaluator.launch.syscalls import numbers
from tests.evaluator.reach import let_everybody_reach

from .conftest import ROOT, Run

ABSENT = """
import os, sys
for path in sys.argv[1:]:
    try:
        print(path, os.listdir(path) if os.path.isdir(path) else open(path).read())
    except OSError as error:
        print("refused", path)
"""

CONNECT = """
import socket, sys
for family, address in ((socket.AF_INET, ("127.0.0.1", int(sys.argv[1]))), (socket.AF_UNIX, "\\0" + sys.argv[2])):
    try:
        socket.socket(family).connect(address)
        print("connected")
    except OSError as error:
        print("refused")
"""

WRITE = """
import os, sys
for path in sys.argv[1:]:
    try:
        open(path + "/intruder", "w").write("x")
        print("written", path)
    except OSError:
        print("refused", path)
"""


@pytest.mark.parametrize("private", ["/etc/shadow", "/etc/passwd", "/home", "/var", "/sys", "/run"])
def test_the_host_is_not_there(run: Run, private: str) -> None:
    assert run("{python}", "-I", "-S", "-c", ABSENT, private).output == f"refused {private}\n"


def test_the_repository_is_not_there(run: Run) -> None:
    files = [str(ROOT / name) for name in ("pyproject.toml", "evaluator", "conf", ".git")]
    assert run("{python}", "-I", "-S", "-c", ABSENT, *files).output.splitlines() == [
        f"refused {name}" for name in files
    ]


def test_of_roots_home_only_bound_folders_are_there(run: Run) -> None:
    private = [
        path for path in ("/root/.bashrc", "/root/.profile", "/root/.ssh", "/root/.config") if Path(path).exists()
    ]
    if not private:
        pytest.skip("root's home holds nothing here that could be looked for")
    answer = run("{python}", "-I", "-S", "-c", ABSENT, *private)
    assert answer.output.splitlines() == [f"refused {name}" for name in private]


def test_network_is_unreachable(run: Run) -> None:
    name = f"sandbox-test-{id(run)}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind("\0" + name)
        unix.listen()
        port = tcp.getsockname()[1]
        answer = run("{python}", "-I", "-S", "-c", CONNECT, str(port), name)
    assert answer.output == "refused\nrefused\n"


def test_environment_is_only_what_is_said(run: Run) -> None:
    answer = run("/usr/bin/env", "--null", environment={"TRITON_INTERPRET": "1"})
    inside = dict(entry.split("=", 1) for entry in answer.output.split("\0") if entry)
    assert inside["TRITON_INTERPRET"] == "1"
    assert inside["HOME"] == "/tmp/home"
    assert inside["TRITON_CACHE_DIR"] == "/tmp/triton"
    assert "API_KEY_OF_SOMEBODY" not in inside
    assert set(inside) <= {
        *("PATH", "HOME", "USER", "TMPDIR", "TRITON_CACHE_DIR", "LANG", "TRITON_INTERPRET", "PYTHONPATH", "PWD"),
        *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"),
    }


def test_no_environment_of_other_processes_can_be_read(run: Run) -> None:
    answer = run(
        "/bin/sh", "-c", "cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; cat /proc/*/cmdline | tr '\\0' ' '"
    )
    assert "sesame" not in answer.output
    assert "pytest" not in answer.output


def test_only_its_own_processes_are_there(run: Run) -> None:
    answer = run("import os; print([int(name) for name in os.listdir('/proc') if name.isdigit()])")
    pids = eval(answer.output)
    assert len(pids) <= 6
    assert max(pids) < 20


def test_only_tmp_and_shared_memory_can_be_written(run: Run) -> None:
    read_only = ["/", "/usr", "/usr/lib", "/dev", "/etc", "/proc", "/proc/self", "/proc/sys/kernel"]
    answer = run("{python}", "-I", "-S", "-c", WRITE, *read_only, "/tmp", "/tmp/home", "/dev/shm")
    assert answer.output.splitlines() == [
        *(f"refused {folder}" for folder in read_only),
        *(f"written {folder}" for folder in ("/tmp", "/tmp/home", "/dev/shm")),
    ]


def test_bound_files_can_be_read_but_not_written(run: Run, tmp_path: Path) -> None:
    # pytest's folders are for their owner alone; the sandbox opens the way to what is bound, not the thing itself.
    folder = tmp_path / "given"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "data.txt").write_text("given")
    (folder / "data.txt").chmod(0o666)
    (tmp_path / "secret.txt").write_text("kept")
    let_everybody_reach(tmp_path)  # the ordinary user of these tests must reach it, too
    script = f"print(open('{folder}/data.txt').read()); import os; print(os.listdir('{tmp_path}'))"
    assert run(script, read_only=[str(folder)]).output == "given\n['given']\n"
    assert run(f"open('{folder}/data.txt', 'w')", read_only=[str(folder)]).code == 1
    assert (folder / "data.txt").read_text() == "given"


def test_has_no_capabilities_and_gains_none(run: Run) -> None:
    answer = run("print(open('/proc/self/status').read())")
    status = dict(line.split(":\t", 1) for line in answer.output.splitlines() if ":\t" in line)
    assert [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [0] * 5
    assert status["NoNewPrivs"] == "1"
    assert status["Uid"].split() == ["65534"] * 4
    assert run("import os; os.setuid(0)").code == 1


def test_can_make_no_namespaces(run: Run) -> None:
    script = "import ctypes; print([ctypes.CDLL(None).unshare(flag) for flag in (0x10000000, 0x20000000, 0x40000000)])"
    assert run(script).output == "[-1, -1, -1]\n"


def test_gets_the_descriptors_that_it_is_lent_and_no_others(run: Run) -> None:
    script = """
import os, socket, sys
memory, channel = map(int, sys.argv[1:])
opened = []
for name in os.listdir("/proc/self/fd"):
    try:
        os.fstat(int(name))
        opened.append(int(name))
    except OSError:
        pass  # the descriptor that listed the folder
print(sorted(opened) == [0, 1, 2, *sorted((memory, channel))], os.readlink("/proc/self/fd/0"))
heard = os.pread(memory, 64, 0)
os.pwrite(memory, b"answered", 0)
socket.socket(fileno=channel).sendall(heard[::-1])
"""
    answer = run("{python}", "-I", "-S", "-c", script, "{memory}", "{socket}", lend=True)
    assert (answer.code, answer.output) == (0, "True /dev/null\n")
    assert answer.reply == "noitseuq"
    assert answer.memory == "answered"


def test_all_layers_are_named(run: Run) -> None:
    answer = run("/bin/true", "")
    expected = {"user-namespace", "pid-namespace", "network-namespace", "no-capabilities", "read-only-root", "rlimits"}
    assert expected <= set(answer.layers)
    # Nothing is both there and missing, and what limits memory has a name in any case.
    assert not set(answer.layers) & set(answer.missing)
    assert {"cgroup-memory", "memory-watchdog"} & set(answer.layers)


KEYS = """
import ctypes, sys
libc = ctypes.CDLL(None)
key, add = int(sys.argv[1]), int(sys.argv[2])
for name in (b"secret", b"note"):
    print(libc.syscall(key, 10, ctypes.c_int(-3), b"user", name, 0) > 0)  # KEYCTL_SEARCH in the session keyring
libc.syscall(add, b"user", b"note", b"x", 1, ctypes.c_int(-3))
"""


def test_keys_of_a_login_are_not_there_and_none_are_left_for_the_next(run: Run) -> None:
    libc, known = ctypes.CDLL(None), numbers(platform.machine())
    if libc.syscall(known["keyctl"], 1, None) < 0:  # a session of our own, as a login has one
        pytest.skip("the kernel's keyrings are forbidden here, to a candidate as well")
    assert libc.syscall(known["add_key"], b"user", b"secret", b"hunter2", 7, ctypes.c_int(-3)) > 0
    words = ("{python}", "-I", "-S", "-c", KEYS, str(known["keyctl"]), str(known["add_key"]))
    for _ in range(2):
        assert run(*words).output == "False\nFalse\n"
