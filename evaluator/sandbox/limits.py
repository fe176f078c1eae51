"""The layers that limit what a sandbox uses up, and which this machine lacks: alike for every form of sandbox."""

from evaluator.sandbox import cgroup
from evaluator.sandbox.cgroup import Cgroup
from evaluator.sandbox.spec import Layers

_GROUP = "/sys/fs/cgroup/harness"
_DELEGATE = (
    f"As root, hand a control group over: `mkdir {_GROUP}; echo '+memory +pids' > {_GROUP}/cgroup.subtree_control; "
    f"export {cgroup.VARIABLE}={_GROUP}`. As a user, start in a systemd user session. "
    "Until then a watchdog counts and kills."
)
_OWN_USER = "Candidates run under your own user, who is held back by what {}. Start as root."


def with_limits(names: list[str], *, real_uid: bool, counted_alone: bool, held_back_by: str) -> Layers:
    """`names`, and the layers that bound processes and memory, with those that are missing.

    Args:
        real_uid: whether the program has a user id of its own.
        counted_alone: whether the kernel limits the sandbox's processes without counting those of others.
        held_back_by: what holds the program back if it has no user id of its own, for people.
    """
    names = list(names)
    missing = []
    if real_uid:
        names.append("real-uid")
    else:
        missing.append(("real-uid", _OWN_USER.format(held_back_by)))
    if counted_alone:
        names.append("rlimit-processes")
    else:
        missing.append(("rlimit-processes", "This kernel counts all processes of the user here. A watchdog counts."))
    group = Cgroup.create(2**30, 64)
    for name, holds in (
        ("cgroup-pids", group is not None and group.limits_processes),
        ("cgroup-memory", group is not None and group.limits_memory),
        ("cgroup-freeze", group is not None and group.freezes),
    ):
        if holds:
            names.append(name)
        else:
            missing.append((name, _DELEGATE))
    if group is not None:
        group.remove()
    names += ["process-watchdog"] if "cgroup-memory" in names else ["process-watchdog", "memory-watchdog"]
    return Layers(tuple(names), tuple(missing))
