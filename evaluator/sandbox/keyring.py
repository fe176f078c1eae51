"""A session keyring of its own for each sandbox: the kernel hands the one of a login down, with whatever it holds."""

import ctypes
import errno
import os
import platform

from evaluator.errors import MachineError
from evaluator.launch.syscalls import numbers

_JOIN_SESSION_KEYRING = 1
_FORBIDDEN = (errno.EPERM, errno.ENOSYS)  # to everybody here, by a filter that is handed down too, or by the kernel


def leave() -> None:
    """Give this thread, and the processes that it starts from now on, a new and empty session keyring.

    Keyrings belong to threads: those of others stay theirs.

    Raises:
        MachineError: the kernel gives no new one, or the call's number on this machine is not known.
    """
    try:
        keyctl = numbers(platform.machine())["keyctl"]
    except KeyError as error:
        raise MachineError(
            f"Sandboxes for {platform.machine()} are not known.", "Use an x86_64 or aarch64 machine."
        ) from error
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(keyctl, _JOIN_SESSION_KEYRING, None) >= 0:
        return
    code = ctypes.get_errno()
    if code not in _FORBIDDEN:
        raise MachineError(
            f"The kernel gives a sandbox no keyring of its own ({os.strerror(code)}).",
            "Too many keys may be held: see /proc/key-users and kernel.keys.maxkeys.",
        )
