"""The command lines that build a sandbox: one bubblewrap for an ordinary user, two with a change of user for root.

An ordinary user's sandbox is one bwrap in a user namespace. Root's can't be: a user that a namespace merely maps to is
still root to the files of the host. There an outer bwrap, as real root and without a user namespace, builds the tree
(so that an interpreter under a 0700 home can be bound), setpriv becomes a user that owns nothing and drops every
capability for good, and an inner bwrap unshares all namespaces over that tree.
"""

import os
import stat
from pathlib import Path

from evaluator.errors import MachineError
from evaluator.sandbox import paths
from evaluator.sandbox.paths import Tools
from evaluator.sandbox.spec import Spec

NOBODY = 65534  # uid and gid as seen inside
SHARED_MEMORY_BYTES = 64 * 2**20  # size of the private /dev/shm
OPEN_FILES = 4096

# A process limit counts threads, and these of the sandbox's own: two bwraps with a reaper each, or one.
OWN_PROCESSES = 4
# Between what is allowed and where the kernel refuses, so that going beyond is seen and named.
PROCESS_MARGIN = 16

# Chosen by the machine's owner, so that OpenBLAS computes correctly on this processor; they hold no secret.
_PASSED_ON = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

# Never bound whole, nor anything inside the kernel's: those come private, or node by node as devices.
_RESERVED = tuple(Path(name) for name in ("/", "/tmp", "/etc", "/home", "/root", "/run", "/var"))
_KERNELS = tuple(Path(name) for name in ("/dev", "/proc", "/sys"))


def command(spec: Spec, tools: Tools, uid: int | None, *, limit_processes: bool = True) -> list[str]:
    """The argument vector that runs `spec`.

    `uid` is the unused user (and group) to become, for a caller who is root; None for an ordinary user.
    `limit_processes` is False only where the kernel counts a user's processes outside the sandbox too.

    Raises:
        MachineError: a path or device that is to be bound does not exist or can't be read by the sandbox's user.
    """
    bound = bound_paths(spec, paths.with_libraries(tools.bwrap))
    for path in bound:
        _check_readable(path, uid)
    for device in spec.devices:
        check_device(device, uid)
    limited = [str(tools.prlimit), *_limits(spec, limit_processes), "--", *spec.argv]
    inner = [str(tools.bwrap), "--unshare-user", "--unshare-ipc", "--unshare-net", "--unshare-uts"]
    inner += ["--unshare-cgroup-try", "--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    inner += ["--uid", str(NOBODY), "--gid", str(NOBODY)]
    if uid is None:
        inner.insert(1, "--unshare-pid")
        return [*inner, *_tree(bound, spec), *_private(bound, spec), *_environment(spec), "--", *limited]
    assert tools.setpriv is not None
    # /proc is the outer one: the kernel refuses a new one in a user namespace over a partly covered /proc. CUDA writes
    # to it and looks itself up in it (cuInit fails with error 304 otherwise), so it is bound writable, and the outer
    # bwrap's process namespace is the only one. What matters in it is covered read-only by the outer bwrap.
    inner += ["--ro-bind", "/", "/", "--bind", "/proc", "/proc", "--dev-bind", "/dev", "/dev"]
    outer = [str(tools.bwrap), "--unshare-pid", "--die-with-parent", "--cap-drop", "ALL"]
    outer += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
    outer += ["--tmpfs", "/tmp", *_tree(bound, spec), "--remount-ro", "/"]
    # Becoming another user clears the signal that a dying parent sends; `keep` sets it again.
    become = [str(tools.setpriv), "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    become += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--pdeathsig", "keep"]
    return [
        *[*outer, "--", *become, "--"],
        *[*inner, *_private(bound, spec), *_environment(spec), "--", *limited],
    ]


def bound_paths(spec: Spec, extra: tuple[Path, ...] = ()) -> tuple[Path, ...]:
    """Everything of the host that is to be seen inside, read-only, apart from the system's folders that are links.

    Args:
        extra: what is needed beside what `spec` names and what every program needs.

    Raises:
        MachineError: one of `spec.read_only` does not exist or would open a folder that is private to the sandbox.
    """
    for path in spec.read_only:
        if path.absolute() in _RESERVED or any(path.absolute().is_relative_to(folder) for folder in _KERNELS):
            raise MachineError(f"{path} can't be bound into a sandbox as a whole.", "Name the files that are needed.")
        if not path.exists():
            raise MachineError(f"{path}, which the sandbox should see, does not exist.")
    system = [path for path in (*paths.SYSTEM_FOLDERS, *paths.SYSTEM_FILES) if path.exists() and not path.is_symlink()]
    wanted = [*paths.python_paths(), *spec.read_only, *extra]
    return paths.outermost([*system, *map(paths.without_system_links, wanted)])


def _tree(bound: tuple[Path, ...], spec: Spec) -> list[str]:
    """Arguments for the file tree: what is bound, /proc and /dev."""
    args = ["--proc", "/proc", "--dev", "/dev"]
    for folder in paths.SYSTEM_FOLDERS:
        if folder.is_symlink():
            args += ["--symlink", str(folder.readlink()), str(folder)]
    parents = sorted({parent for path in bound for parent in path.parents if parent != Path("/")})
    for parent in parents:
        # bubblewrap makes missing parents for its own user alone; the program is another one.
        args += ["--dir", str(parent), "--chmod", "0755", str(parent)]
    for path in bound:
        args += ["--ro-bind", str(path), str(path)]
    for device in spec.devices:
        args += ["--dev-bind", str(device), str(device)]
    return args


def _private(bound: tuple[Path, ...], spec: Spec) -> list[str]:
    """Arguments for what the program may write: a bounded /tmp and /dev/shm, and nothing else."""
    args = ["--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    args += ["--size", str(spec.tmp_bytes), "--tmpfs", "/tmp", "--dir", "/tmp/home"]
    for path in bound:
        if path.is_relative_to("/tmp"):
            args += ["--ro-bind", str(path), str(path)]
    # Otherwise the root would be a writable, unbounded file system in memory.
    return [*args, "--remount-ro", "/", "--chdir", "/tmp"]


def environment(spec: Spec, folder: str = "/tmp") -> dict[str, str]:
    """The whole environment of the program inside, which may write to `folder`."""
    inside = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": f"{folder}/home",
        "USER": "nobody",  # without it, and without /etc/passwd, torch can't name its cache folder
        "TMPDIR": folder,
        "TRITON_CACHE_DIR": f"{folder}/triton",
        "LANG": "C.UTF-8",
    }
    inside |= {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    if folders := paths.import_folders():
        inside["PYTHONPATH"] = os.pathsep.join(map(str, folders))
    return inside | dict(spec.environment)


def _environment(spec: Spec) -> list[str]:
    args = ["--clearenv"]
    for name, value in environment(spec).items():
        args += ["--setenv", name, value]
    return args


def _limits(spec: Spec, limit_processes: bool) -> list[str]:
    """Arguments of prlimit, which runs inside so that processes are counted in the sandbox's own user namespace.

    The address space is never limited: CUDA reserves far more of it than there is memory.
    """
    args = ["--core=0", f"--fsize={spec.tmp_bytes}", f"--nofile={OPEN_FILES}"]
    if limit_processes:
        args.append(f"--nproc={spec.processes + OWN_PROCESSES + PROCESS_MARGIN}")
    return args


def _check_readable(path: Path, uid: int | None) -> None:
    mode = path.stat().st_mode
    needed = 0o005 if stat.S_ISDIR(mode) else 0o004
    readable = mode & needed == needed if uid is not None else os.access(path, os.R_OK)
    if not readable:
        raise MachineError(
            f"{path} can't be read by the sandbox's user, who is not {'root' if uid is not None else 'its owner'}.",
            f"Allow everybody to read it: `chmod -R a+rX {path}`.",
        )


def check_device(device: Path, uid: int | None) -> None:
    if not device.exists():
        raise MachineError(f"The device {device} does not exist.", "Check the driver: `nvidia-smi`.")
    mode = device.stat().st_mode
    if mode & 0o006 != 0o006 if uid is not None else not os.access(device, os.R_OK | os.W_OK):
        raise MachineError(
            f"{device} can't be opened by the sandbox's user.",
            f"Allow everybody to read and write it (`chmod a+rw {device}`).",
        )
