"""What a program in the sandbox can't use up."""

import pytest

from .conftest import LIMITS, Run

FILL = """
import sys
written = 0
try:
    for number in range(64):
        with open(f"{sys.argv[1]}/{number}", "wb") as file:
            written += file.write(bytes(4 << 20))
except OSError as error:
    print(error.errno)
print(written >> 20)
"""

HOGS = {
    "its own": "held = [b'x' * (16 << 20) for _ in range(40)]",
    "a child's": "import os, time\nif os.fork(): os.wait()\nelse: held = [b'x' * (16 << 20) for _ in range(40)]",
    "shared": "import mmap\nheld = mmap.mmap(-1, 640 << 20)\nfor _ in range(640): held.write(b'x' * (1 << 20))",
    "memory files": """
import os
for _ in range(160):
    os.write(os.memfd_create("hidden"), bytes(4 << 20))""",
}


def test_fork_bomb_is_bounded_and_ended(run: Run) -> None:
    answer = run("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", timeout_s=30)
    assert answer.killed_for == "processes"
    assert answer.code == 137


def test_too_many_threads_are_too_many_processes(run: Run) -> None:
    script = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()"
    assert run(script, timeout_s=30).killed_for == "processes"


def test_as_many_processes_as_allowed_are_left_alone(run: Run) -> None:
    script = f"""
import os, time
for _ in range({LIMITS["processes"] - 1}):
    if os.fork() == 0:
        time.sleep(0.4)
        os._exit(0)
for _ in range({LIMITS["processes"] - 1}):
    os.wait()
"""
    answer = run(script)
    assert (answer.code, answer.output, answer.killed_for) == (0, "", "")


@pytest.mark.parametrize("memory", HOGS)
def test_memory_hog_is_ended(run: Run, memory: str) -> None:
    answer = run(HOGS[memory] + "\nimport time; time.sleep(60)", memory_gb=0.25, timeout_s=30)
    assert answer.killed_for == "memory"
    assert answer.code == 137


def test_memory_within_the_limit_is_left_alone(run: Run) -> None:
    answer = run("held = b'x' * (150 << 20); import time; time.sleep(0.3); print(len(held) >> 20)", memory_gb=0.25)
    assert (answer.code, answer.output, answer.killed_for) == (0, "150\n", "")


def test_pages_that_forks_share_count_once(run: Run) -> None:
    script = """
import os, time
held = b"x" * (100 << 20)
children = [os.fork() for _ in range(3)]  # eight processes in all
time.sleep(0.4)
os._exit(0)
"""
    assert run(script, memory_gb=0.25).killed_for == ""


@pytest.mark.parametrize(("folder", "most"), [("/tmp", 8), ("/dev/shm", 64)])
def test_writable_space_is_bounded(run: Run, folder: str, most: int) -> None:
    errno, written = run("{python}", "-I", "-S", "-c", FILL, folder).output.split()
    assert errno == "28"
    assert int(written) <= most


def test_flood_of_output_is_bounded_and_its_end_kept(run: Run) -> None:
    answer = run("import os\nfor _ in range(800): os.write(1, b'y' * 65536)\nprint('the end')")
    assert answer.code == 0
    assert answer.output.endswith("yyythe end\n")
    assert answer.output.startswith("[")
    assert len(answer.output) <= LIMITS["output_kb"] * 1024 + 64


def test_limits_can_not_be_raised_again(run: Run) -> None:
    script = """
import resource
for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NOFILE):
    try:
        resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("raised", limit)
    except (ValueError, OSError):
        print("refused")
print(resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY)
"""
    assert run(script).output == "refused\n" * 4 + "True\n"
