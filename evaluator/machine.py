"""What of this machine stands in the way of sandboxes and GPUs, each with its remedy.

Everything is read from files below a root, so that a prepared folder tree is as good as a machine.
"""

import os
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/")

UNCONFINED = (
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
)


@dataclass(frozen=True)
class Obstacle:
    """Something about the machine; `found` and `remedy` are sentences for people."""

    found: str
    remedy: str


# Setting below /proc/sys, the value that forbids, what it means, what allows.
_FORBIDDING = (
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids user namespaces to programs without a profile (Ubuntu's default since 23.10)",
        "0",
    ),
    ("kernel/unprivileged_userns_clone", "0", "The kernel forbids user namespaces to ordinary users", "1"),
    ("user/max_user_namespaces", "0", "The kernel allows no user namespaces", "15000"),
)
_FALLBACK = "Where that can't be had, evaluator.sandbox=landlock isolates less, and its rows say so."


def forbids_namespaces(root: Path = SYSTEM, *, as_root: bool | None = None) -> tuple[Obstacle, ...]:
    """Every setting of this machine that keeps bubblewrap from making namespaces, likeliest first.

    Args:
        as_root: whether the harness runs as root, whom two of the settings don't concern; None: as it does.
    """
    is_root = os.geteuid() == 0 if as_root is None else as_root
    found = []
    for name, forbidding, meaning, allowing in _FORBIDDING:
        concerns_root = name.startswith("user/")
        if _line(root / "proc/sys" / name) == forbidding and (concerns_root or not is_root):
            setting = f"{name.replace('/', '.')}={allowing}"
            remedy = f"As an administrator: `sysctl -w {setting}`, and the same line in /etc/sysctl.d to keep it."
            found.append(Obstacle(f"{meaning} ({name.replace('/', '.')} is {forbidding}).", f"{remedy} {_FALLBACK}"))
    kind = container(root)
    if kind and filtered(root):
        more = " --cap-add SYS_ADMIN" if is_root else ""
        found.append(
            Obstacle(
                f"This is a container ({kind}) whose system call filter may forbid namespaces and mounts.",
                f"Start it with `{UNCONFINED}{more}`, or run outside it. {_FALLBACK}",
            )
        )
    return tuple(found)


def container(root: Path = SYSTEM) -> str:
    """What kind of container this is; empty if it does not look like one."""
    for name, kind in ((".dockerenv", "Docker"), ("run/.containerenv", "Podman")):
        if (root / name).exists():
            return kind
    groups = _text(root / "proc/1/cgroup")
    for word, kind in (("kubepods", "Kubernetes"), ("docker", "Docker"), ("lxc", "LXC")):
        if word in groups:
            return kind
    return _text(root / "run/systemd/container").strip()


def filtered(root: Path = SYSTEM) -> bool:
    """Whether a system call filter holds for the harness itself."""
    lines = _text(root / "proc/self/status").splitlines()
    return any(line.split() == ["Seccomp:", "2"] for line in lines)


def is_wsl(root: Path = SYSTEM) -> bool:
    """Whether this is Linux under Windows (WSL2): its GPU is /dev/dxg, and CUDA has no IPC there."""
    return (root / "dev/dxg").exists() and (
        "microsoft" in _text(root / "proc/version").lower() or (root / "usr/lib/wsl").is_dir()
    )


def wsl_obstacle(root: Path = SYSTEM) -> Obstacle | None:
    """What WSL2 lacks for a GPU to be used from a sandbox; None if nothing, or elsewhere."""
    if "microsoft" not in _text(root / "proc/version").lower():
        return None
    if not (root / "dev/dxg").exists():
        return Obstacle(
            "This is WSL without a GPU (there is no /dev/dxg).",
            "Use WSL 2 (`wsl --set-version NAME 2`), and install NVIDIA's driver in Windows, not in Linux.",
        )
    if not (root / "usr/lib/wsl/lib/libcuda.so.1").exists():
        return Obstacle(
            "WSL2 shows a GPU, but not the driver's library (/usr/lib/wsl/lib/libcuda.so.1).",
            "Install or update NVIDIA's driver in Windows, then `wsl --shutdown` and start again.",
        )
    return None


def _line(path: Path) -> str:
    return _text(path).strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
