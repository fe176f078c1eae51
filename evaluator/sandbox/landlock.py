"""The fallback sandbox: no namespaces, but Landlock, a system call filter, resource limits, and no new privileges.

For machines that allow no namespaces, and only where it is asked for by name. What it lacks against bubblewrap's is
said by `missing`: it shares the host's process numbers, network stack, mounts and IPC, and holds access to them back by
rules instead of by absence.
"""

import json
import os
import secrets
import socket
import stat
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import evaluator
from evaluator.errors import MachineError
from evaluator.launch import landlock, seccomp
from evaluator.launch.__main__ import Plan
from evaluator.sandbox import bubblewrap, paths, tree
from evaluator.sandbox.bubblewrap import OPEN_FILES, OWN_PROCESSES, PROCESS_MARGIN
from evaluator.sandbox.cgroup import Cgroup
from evaluator.sandbox.limits import with_limits
from evaluator.sandbox.process import Process
from evaluator.sandbox.scratch import Scratch
from evaluator.sandbox.spec import REDUCED, Layers, Spec
from evaluator.sandbox.user import unused_uid

_PROBE_S = 20.0

# Of /dev, harmless nodes; of /proc, what describes the machine and not its processes.
_NODES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_FACTS = tuple(f"/proc/{name}" for name in ("cpuinfo", "devices", "driver/nvidia", "filesystems", "meminfo", "modules"))
_MORE_FACTS = ("/proc/stat", "/proc/sys", "/proc/version", "/proc/uptime", "/proc/loadavg")

_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from evaluator.launch.__main__ import main; main()"

# Says through its descriptor what it is refused, then waits until it has been looked at from outside.
_PROBE = """
import ctypes, json, os, socket, sys
def fails(attempt):
    try:
        attempt()
    except OSError:
        return True
    return False
libc = ctypes.CDLL(None)
status = dict(line.split(":", 1) for line in open(f"/proc/{os.getpid()}/status"))
secret, folder, neighbour, name = sys.argv[2:]
def reach():
    other = socket.socket(socket.AF_UNIX)
    other.connect("\\0" + name)
report = {
    "status": {name: status[name].strip() for name in ("CapEff", "CapPrm", "NoNewPrivs", "Seccomp")},
    "no-foreign-files": fails(lambda: open(secret)) and fails(lambda: os.listdir(os.path.dirname(secret))),
    "no-foreign-writes": fails(lambda: open(folder + "/intruder", "w")) and fails(lambda: os.truncate(secret, 0)),
    "no-foreign-processes": fails(lambda: os.listdir("/proc")) and fails(lambda: open(f"/proc/{neighbour}/cmdline")),
    "no-foreign-signals": fails(lambda: os.kill(int(neighbour), 0)),
    "no-network": fails(lambda: socket.socket(socket.AF_INET)) and fails(lambda: socket.socket(socket.AF_INET6)),
    "no-foreign-sockets": fails(reach),
    "no-namespaces": libc.unshare(0x10000000) != 0 and libc.unshare(0x40000000) != 0,
    "no-tracing": libc.ptrace(16, int(neighbour), 0, 0) != 0,
    "own-folder": not fails(lambda: open(os.environ["TMPDIR"] + "/own", "w")),
}
channel = socket.socket(fileno=int(sys.argv[1]))
channel.sendall(json.dumps(report).encode() + b"\\n")
channel.recv(1)
"""

_BY_NAMESPACE = (
    "The fallback has no namespaces. Make them possible (`harness doctor`), and evaluator.sandbox=bubblewrap."
)
_MISSING = tuple((f"{kind}-namespace", _BY_NAMESPACE) for kind in ("user", "pid", "network", "ipc", "mount"))


def probe() -> Layers:
    """Build one such sandbox and say what holds; the first layer is always `reduced-isolation`.

    Raises:
        MachineError: this kernel can't build it; the remedy says what to change.
    """
    _check_kernel()
    report, host_uid = _look()
    status = report.pop("status")
    # Only root can empty the bounding set; without new privileges nothing in it can be gained.
    report["no-capabilities"] = not any(int(status[name], 16) for name in ("CapEff", "CapPrm"))
    report["no-new-privileges"] = status["NoNewPrivs"] == "1"
    report["seccomp"] = status["Seccomp"] == "2"
    lacking = [name for name, holds in report.items() if not holds]
    if lacking or host_uid == 0:
        raise MachineError(
            f"The fallback sandbox does not hold on this machine: {', '.join(lacking) or 'it runs as root'}.",
            "Run as an ordinary user, or use another kernel.",
        )
    abi = landlock.abi()
    names = [REDUCED, f"landlock-abi-{abi}", "seccomp", "no-capabilities", "no-new-privileges", "rlimits"]
    names += ["landlock-tcp"] if abi >= landlock.NETWORK_ABI else []
    names += ["landlock-scope"] if abi >= landlock.SCOPE_ABI else []
    real_uid = os.geteuid() == 0
    layers = with_limits(names, real_uid=real_uid, counted_alone=real_uid, held_back_by="Landlock refuses")
    return Layers((*layers.names, "disk-watchdog"), (*_MISSING, *layers.missing))


def start(spec: Spec) -> Process:
    """Run `spec` so, without asking first what holds: `spawn` does.

    Raises:
        MachineError: something that it should see is not there or can't be read by its user.
    """
    uid = unused_uid() if os.geteuid() == 0 else None
    most = spec.processes + OWN_PROCESSES + PROCESS_MARGIN
    scratch = Scratch.create(uid)
    group = None
    try:
        command = _command(spec, scratch, uid, most)
        group = Cgroup.create(spec.memory_bytes + spec.tmp_bytes, most)
        return Process(command if group is None else group.entering(command), spec, group, scratch)
    except BaseException:
        if group is not None:
            group.remove()
        scratch.remove()
        raise


def _command(spec: Spec, scratch: Scratch, uid: int | None, most: int) -> list[str]:
    """The argument vector of the supervisor that runs `spec`, which may write to its own folder alone."""
    bound = bubblewrap.bound_paths(spec)
    for path in bound:
        _check_reachable(path, uid)
    for device in spec.devices:
        bubblewrap.check_device(device, uid)
    environment = bubblewrap.environment(spec, str(scratch.own))
    if "PYTHONPATH" in environment:
        environment["PYTHONPATH"] = _listable(environment["PYTHONPATH"], bound, scratch)
    plan = Plan(
        argv=list(spec.argv),
        environment=environment,
        read=[*map(str, (*bound, *paths.SYSTEM_FOLDERS, scratch.view)), *_FACTS, *_MORE_FACTS],
        use=[*_NODES, *map(str, spec.devices)],
        own=str(scratch.own),
        limits={"core": 0, "fsize": spec.tmp_bytes, "nofile": OPEN_FILES, "nproc": most + _running(uid)},
        uid=uid,
    )
    root = Path(evaluator.__file__).resolve().parent.parent
    return [sys.executable, "-I", "-S", "-B", "-c", _BOOT, str(root), json.dumps(asdict(plan))]


def _listable(folders: str, bound: tuple[Path, ...], scratch: Scratch) -> str:
    """Python's search path, with those folders replaced of which only parts may be seen.

    Python lists a folder to import from it. Landlock allows that for a folder with all that is below it or not at all;
    so where only parts are bound, these appear as links in a folder made for the purpose.
    """
    found = []
    for folder in map(Path, folders.split(os.pathsep)):
        parts = [path for path in bound if path.is_relative_to(folder) and path != folder]
        for part in parts:
            scratch.show(part)
        found.append(str(scratch.view / folder.relative_to("/") if parts else folder))
    return os.pathsep.join(found)


def _running(uid: int | None) -> int:
    """Processes and threads of the user as whom the program runs: the kernel counts these too."""
    if uid is not None:
        return 0
    own = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid == os.geteuid():
                    own.append(int(entry.name))
            except FileNotFoundError:
                continue  # ended meanwhile
    return tree.count_tasks(own)


def _check_kernel() -> None:
    abi = landlock.abi()
    if abi == 0:
        raise MachineError(
            "This kernel has no Landlock, without which there is no fallback sandbox, and no candidate is run.",
            "Start a kernel from 6.2 on with Landlock (CONFIG_SECURITY_LANDLOCK, and `landlock` in the boot parameter "
            "lsm=), or make user namespaces possible and set evaluator.sandbox=bubblewrap.",
        )
    if abi < landlock.OLDEST_ABI:
        raise MachineError(
            f"This kernel's Landlock (ABI {abi}) lets files be truncated, so no candidate is run under it.",
            "Start a kernel from 6.2 on, or make user namespaces possible and set evaluator.sandbox=bubblewrap.",
        )
    if not seccomp.supported():
        raise MachineError(
            f"The fallback sandbox does not know the system calls of this processor ({os.uname().machine}).",
            "It knows x86_64 and aarch64; elsewhere use evaluator.sandbox=bubblewrap.",
        )


def _check_reachable(path: Path, uid: int | None) -> None:
    """Raises MachineError if the program's user can't get to `path`: without mounts nothing opens the way to it."""
    if uid is None:
        closed = None if os.access(path, os.R_OK) else path
    else:
        real = path.resolve()
        needed = [(folder, 0o001) for folder in reversed(real.parents)]
        needed.append((real, 0o005 if real.is_dir() else 0o004))
        closed = next((each for each, bits in needed if stat.S_IMODE(each.stat().st_mode) & bits != bits), None)
    if closed is not None:
        raise MachineError(
            f"{path} can't be read by the sandbox's user, who is not {'root' if uid is not None else 'its owner'}: "
            f"{closed} is closed to others.",
            "Run as the user whose it is, or install Python and its packages where everybody can read them.",
        )


def _look() -> tuple[dict[str, Any], int]:
    """What a program in such a sandbox is refused, and the uid that the host sees."""
    ours, theirs = socket.socketpair()
    name = f"kernel-sandbox-probe-{secrets.token_hex(8)}"
    with ours, theirs, socket.socket(socket.AF_UNIX) as listening, tempfile.TemporaryDirectory() as folder:
        listening.bind("\0" + name)
        listening.listen()
        # Open to everybody, so that it is the sandbox that refuses and not the permissions.
        Path(folder).chmod(0o777)
        secret = Path(folder, "secret")
        secret.write_text("kept")
        secret.chmod(0o666)
        words = (str(theirs.fileno()), str(secret), folder, str(os.getpid()), name)
        argv = (sys.executable, "-I", "-S", "-c", _PROBE, *words)
        with start(Spec(argv, fds=(theirs.fileno(),), memory_gb=1, processes=8, tmp_mb=8, output_kb=16)) as process:
            theirs.close()
            ours.settimeout(_PROBE_S)
            try:
                line = ours.makefile().readline()
            except TimeoutError:
                line = ""
            if not line:
                process.wait(1)
                raise MachineError(
                    f"The fallback sandbox can't be built here: {process.output().strip() or 'it says nothing'}.",
                    "In a container, its seccomp profile may refuse Landlock: `--security-opt seccomp=unconfined`.",
                )
            return json.loads(line), tree.host_uid(tree.descendants(process.pid)[-1])
