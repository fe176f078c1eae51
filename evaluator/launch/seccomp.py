"""A system call filter: what Landlock does not govern and a program that only computes has no need of.

Written as classic BPF, the form that the kernel takes, so that nothing has to be installed. Anything that is not listed
is allowed, but for calls that are newer than this list.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from evaluator.launch.syscalls import AUDIT_ARCHITECTURE, NEWEST, X32, numbers

_SET_NO_NEW_PRIVS, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _AND, _EQUAL, _ABOVE, _RETURN = 0x20, 0x54, 0x15, 0x25, 0x06  # BPF instructions on 32-bit words
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000  # actions; the last carries an errno
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data
_FULL = 0xFFFFFFFF

_AF_UNIX = 1
_STREAM, _SEQPACKET, _TYPE_MASK = 1, 5, 0xF
# Every CLONE_NEW* flag: namespaces for time, mounts, cgroups, host names, IPC, users, processes and networks.
_NEW_NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
_SIGNAL_OWNERS = (8, 10, 15)  # fcntl: F_SETOWN, F_SETSIG, F_SETOWN_EX make the kernel send signals to anybody
_TERMINAL_INPUT = (0x5412, 0x541C, 0x8901, 0x8902)  # ioctl: TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP
_SUPERVISION = (1, 4)  # prctl: PR_SET_PDEATHSIG, PR_SET_DUMPABLE would hide a process from its supervisor

_ALWAYS = """
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_getfd
    mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr
    unshare setns kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct
    quotactl quotactl_fd syslog sethostname setdomainname settimeofday clock_settime adjtimex clock_adjtime vhangup
    bpf perf_event_open userfaultfd fanotify_init name_to_handle_at open_by_handle_at lookup_dcookie
    keyctl add_key request_key io_uring_setup io_uring_enter io_uring_register connect
    shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop semtimedop semctl mq_open mq_unlink
    setpriority ioprio_set migrate_pages move_pages
"""

# Landlock has no say over metadata; who runs under a user's own id would own that user's files.
_METADATA = """
    chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat utime utimes futimesat utimensat
    setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat file_setattr
"""

_SIGNALS = "kill tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal"


@dataclass(frozen=True)
class Refusal:
    """One system call that fails with `code`: always, or by one argument.

    The lower word of argument number `argument` is masked with `mask`. The call is refused if the result is in `when`,
    or is not in `unless`; one of the two is given, or neither.
    """

    call: str
    code: int = errno.EPERM
    argument: int = 0
    mask: int = _FULL
    when: tuple[int, ...] = ()
    unless: tuple[int, ...] = ()


def refusals(*, shares_user: bool, scoped: bool, pid: int) -> tuple[Refusal, ...]:
    """What is refused.

    Args:
        shares_user: whether the program runs under the user id of somebody.
        scoped: whether Landlock keeps signals among the restricted processes.
        pid: the program's process id: the only process that it may signal where nothing else keeps it from others.
    """
    listed = [Refusal(call) for call in _ALWAYS.split()]
    listed += [
        Refusal("socket", errno.EAFNOSUPPORT, 0, unless=(_AF_UNIX,)),
        Refusal("socketpair", errno.EAFNOSUPPORT, 0, unless=(_AF_UNIX,)),
        # Datagrams need no connection to reach somebody.
        Refusal("socket", errno.EPROTONOSUPPORT, 1, _TYPE_MASK, unless=(_STREAM, _SEQPACKET)),
        Refusal("socketpair", errno.EPROTONOSUPPORT, 1, _TYPE_MASK, unless=(_STREAM, _SEQPACKET)),
        Refusal("clone3", errno.ENOSYS),  # its flags lie in memory, where no filter sees them; libraries fall back
        *(Refusal("clone", errno.EPERM, 0, flag, when=(flag,)) for flag in _NEW_NAMESPACES),
        Refusal("prlimit64", errno.EPERM, 0, unless=(0,)),
        *(Refusal(f"sched_{what}", unless=(0,)) for what in ("setaffinity", "setscheduler", "setparam", "setattr")),
        Refusal("fcntl", errno.EPERM, 1, when=_SIGNAL_OWNERS),
        Refusal("ioctl", errno.EPERM, 1, when=_TERMINAL_INPUT),
        Refusal("prctl", errno.EPERM, 0, when=_SUPERVISION),
    ]
    if shares_user:
        listed += [Refusal(call) for call in _METADATA.split()]
        if not scoped:
            listed += [Refusal(call) for call in _SIGNALS.split()]
            listed.append(Refusal("tgkill", unless=(pid,)))
    return tuple(listed)


def supported() -> bool:
    """Whether this processor's system calls are known here."""
    return platform.machine() in AUDIT_ARCHITECTURE


def program(listed: Iterable[Refusal], machine: str) -> bytes:
    """The filter's instructions for a machine as `platform.machine` names it."""
    table = numbers(machine)
    code = [
        *(_step(_LOAD, _ARCHITECTURE_AT), _step(_EQUAL, AUDIT_ARCHITECTURE[machine], 1, 0), _step(_RETURN, _KILL)),
        *(_step(_LOAD, _NUMBER_AT), _step(_ABOVE, X32 - 1, 0, 1), _step(_RETURN, _KILL)),
        *(_step(_ABOVE, NEWEST, 0, 1), _step(_RETURN, _REFUSE | errno.ENOSYS)),
    ]
    for refusal in listed:
        number = table.get(refusal.call)
        if number is not None:
            body = _body(refusal)
            code += [_step(_EQUAL, number, 0, len(body)), *body]
    return b"".join([*code, _step(_RETURN, _ALLOW)])


def install(listed: Iterable[Refusal]) -> None:
    """Filter this process and its children, for good. Needs no-new-privs.

    Raises:
        OSError: the kernel refuses, or has no filters.
    """
    code = program(listed, platform.machine())
    buffer = ctypes.create_string_buffer(code, len(code))
    _prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(code) // 8, ctypes.addressof(buffer))))


def give_up_privileges() -> None:
    """No program started from here on gains rights by being set-uid: the kernel asks this of who restricts itself."""
    _prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _body(refusal: Refusal) -> list[bytes]:
    """Instructions that run if the number fits; they end with the number loaded again, or don't return."""
    refuse = _step(_RETURN, _REFUSE | refusal.code)
    if not refusal.when and not refusal.unless:
        return [refuse]
    steps = [_step(_LOAD, _ARGUMENTS_AT + 8 * refusal.argument), _step(_AND, refusal.mask)]
    values = refusal.when or refusal.unless
    for left, value in zip(range(len(values) - 1, -1, -1), values, strict=True):
        if refusal.when:  # a match goes to the refusal, the last mismatch beyond it
            steps.append(_step(_EQUAL, value, left, 0 if left else 1))
        else:
            steps.append(_step(_EQUAL, value, left + 1, 0))
    return [*steps, refuse, _step(_LOAD, _NUMBER_AT)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _prctl(*arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    passed = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in arguments]
    if libc.prctl(*passed) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
