"""What this machine can make of a sandbox: found out by building one and looking at it from both sides."""

import json
import os
import socket
import sys
from functools import cache
from pathlib import Path
from typing import Any

from evaluator import machine
from evaluator.errors import MachineError
from evaluator.sandbox import bubblewrap, landlock, paths, tree
from evaluator.sandbox.cgroup import Cgroup
from evaluator.sandbox.limits import with_limits
from evaluator.sandbox.process import Process
from evaluator.sandbox.spec import Form, Layers, Spec
from evaluator.sandbox.user import unused_uid

_PROBE_S = 20.0

# Says through its descriptor what it sees, then waits until it has been looked at from outside.
_PROBE = """
import ctypes, json, os, socket, sys
def fails(attempt):
    try:
        attempt()
    except OSError:
        return True
    return False
def fork():
    if os.fork() == 0:
        os._exit(0)
    os.wait()
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
seen = {name: os.stat("/proc/self/ns/" + name).st_ino for name in ("user", "pid", "net", "ipc", "uts", "mnt")}
report = {
    "namespaces": seen,
    "status": {name: status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")},
    "read_only": all(fails(lambda: open(folder + "/x", "w")) for folder in ("", "/usr", "/dev", "/proc")),
    "nested": ctypes.CDLL(None).unshare(0x10000000) == 0,
    "forks": not fails(fork),
}
channel = socket.socket(fileno=int(sys.argv[1]))
channel.sendall(json.dumps(report).encode() + b"\\n")
channel.recv(1)
"""

_NAMESPACES = {
    "user": "user-namespace",
    "pid": "pid-namespace",
    "net": "network-namespace",
    "ipc": "ipc-namespace",
    "mnt": "mount-namespace",
}


def spawn(spec: Spec) -> Process:
    """Run `spec` in a new sandbox.

    Raises:
        MachineError: no sandbox can be built here, or something that it should see is not there.
    """
    found = probe(spec.form)
    if spec.form == "landlock":
        return landlock.start(spec)
    return start(spec, limit_processes="rlimit-processes" in found.names)


@cache
def probe(form: Form = "bubblewrap") -> Layers:
    """Build one sandbox, once in the life of this process, and say which layers hold.

    Raises:
        MachineError: no acceptable sandbox of this form can be built here; the remedy says what to change.
    """
    if form == "landlock":
        return landlock.probe()
    tools = paths.find_tools()
    report, host_uid = _look(limit_processes=True)
    forks = report["forks"]
    if not forks:  # older kernels count all of a user's processes against the limit, wherever they run
        report, host_uid = _look(limit_processes=False)
    names = [name for kind, name in _NAMESPACES.items() if report["namespaces"][kind] != _own_namespace(kind)]
    capabilities = (int(report["status"][name], 16) for name in ("CapEff", "CapPrm", "CapBnd"))
    needed = {
        "no-capabilities": not any(capabilities),
        "no-new-privileges": report["status"]["NoNewPrivs"] == "1",
        "read-only-root": report["read_only"],
        "no-nested-namespaces": not report["nested"],
        "rlimits": True,  # prlimit ran in front of the probe, and fails if it can't set them
    }
    real_uid = os.geteuid() == 0
    lacking = [name for name, holds in needed.items() if not holds]
    lacking += [name for name in _NAMESPACES.values() if name not in names]
    if lacking or host_uid == 0 or (real_uid and host_uid != report["uid"]):
        raise MachineError(
            f"The sandbox that can be built here is not tight: {', '.join(lacking) or 'it runs as root'}.",
            f"Update bubblewrap ({tools.bwrap}) to 0.8 or later, or run on another kernel.",
        )
    names += needed
    return with_limits(names, real_uid=real_uid, counted_alone=forks, held_back_by="is not bound")


def start(spec: Spec, *, limit_processes: bool = True, groups: bool = True, uid: int | None = None) -> Process:
    """Run `spec` in a sandbox without asking first whether that is one: `spawn` does.

    `groups` is False to do without a control group; `uid` is the unused user to become as root, else one is chosen.
    """
    if os.geteuid() == 0 and uid is None:
        uid = unused_uid()
    command = bubblewrap.command(spec, paths.find_tools(), uid, limit_processes=limit_processes)
    most = spec.processes + bubblewrap.OWN_PROCESSES + bubblewrap.PROCESS_MARGIN
    # The kernel charges what lies in /tmp and /dev/shm to the group as well.
    memory = spec.memory_bytes + spec.tmp_bytes + bubblewrap.SHARED_MEMORY_BYTES
    group = Cgroup.create(memory, most) if groups else None
    try:
        return Process(command if group is None else group.entering(command), spec, group)
    except BaseException:
        if group is not None:
            group.remove()
        raise


def _look(*, limit_processes: bool) -> tuple[dict[str, Any], int]:
    """What a program in a sandbox sees (and "uid", the one it was given), and the uid that the host sees."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        argv = (sys.executable, "-I", "-S", "-c", _PROBE, str(theirs.fileno()))
        spec = Spec(argv, fds=(theirs.fileno(),), memory_gb=1, processes=8, tmp_mb=8, output_kb=16)
        uid = unused_uid() if os.geteuid() == 0 else None
        with start(spec, limit_processes=limit_processes, uid=uid) as process:
            theirs.close()
            ours.settimeout(_PROBE_S)
            try:
                line = ours.makefile().readline()
            except TimeoutError:
                line = ""
            if not line:
                process.wait(1)
                raise _refusal(process.output())
            # The program is the last of a chain of single children.
            return {**json.loads(line), "uid": uid}, tree.host_uid(tree.descendants(process.pid)[-1])


def _own_namespace(kind: str) -> int:
    return Path(f"/proc/self/ns/{kind}").stat().st_ino


def _refusal(output: str) -> MachineError:
    """Why no sandbox came up, from the machine's settings and what bubblewrap said."""
    problem = f"No sandbox can be built here, so no candidate is run. bubblewrap said: {output.strip() or 'nothing'}"
    obstacles = machine.forbids_namespaces()
    if obstacles:
        return MachineError(f"{problem} {obstacles[0].found}", obstacles[0].remedy)
    if os.geteuid() == 0:
        return MachineError(
            problem,
            "In a container this needs the right to mount and to make namespaces: start it with `--cap-add SYS_ADMIN "
            f"{machine.UNCONFINED}`, or run outside it.",
        )
    return MachineError(
        problem,
        "Check that `unshare --user --pid true` works for this user; in a container, start that with "
        f"`{machine.UNCONFINED}`.",
    )
