"""A running sandbox: its output, its limits, its end."""

import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from stat import S_ISREG
from types import TracebackType
from typing import Literal, Self

from evaluator.errors import MachineError
from evaluator.sandbox import keyring, tree
from evaluator.sandbox.bubblewrap import OWN_PROCESSES
from evaluator.sandbox.cgroup import Cgroup
from evaluator.sandbox.output import Tail
from evaluator.sandbox.scratch import Scratch, Unmeasurable
from evaluator.sandbox.spec import Spec

WATCH_S = 0.05  # between two looks at what a sandbox uses
_DISK_S = 0.5  # between two looks at its folder, which take longer

Excess = Literal["", "memory", "processes", "disk"]

_FREEZE_S = 2.0
_KILL_S = 5.0
_LAST_OUTPUT_S = 1.0


class Process:
    """One sandbox with one program in it. Leaving the context kills everything that runs inside.

    `killed_for` says which limit ended it, "" if none did.
    """

    def __init__(self, command: list[str], spec: Spec, cgroup: Cgroup | None, scratch: Scratch | None = None) -> None:
        """Start `command`, which builds the sandbox and runs `spec` in it; `scratch` is removed in the end."""
        self.killed_for: Excess = ""
        self._spec = spec
        self._cgroup = cgroup
        self._scratch = scratch
        self._disk_seen = 0.0
        self._ending = threading.RLock()
        self._ended = threading.Event()
        self._lent = {
            (file.st_dev, file.st_ino): file.st_size for file in map(os.fstat, spec.fds) if S_ISREG(file.st_mode)
        }
        receiving, sending = os.pipe()
        try:
            self._popen = _start(command, sending, spec.fds)
        except BaseException:
            os.close(receiving)
            raise
        finally:
            os.close(sending)
        self._tail = Tail(receiving, spec.output_kb * 1024)
        threading.Thread(target=self._watch, name="sandbox-watchdog", daemon=True).start()

    @property
    def pid(self) -> int:
        """The outermost process of the sandbox, on the host. The program itself is a descendant."""
        return self._popen.pid

    def poll(self) -> int | None:
        """The exit code (128 + n for signal n), or None while it runs."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code once everything inside has ended; None if it still runs after `timeout` seconds."""
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._finish()
        return code if code >= 0 else 128 - code

    def output(self) -> str:
        """The end of what it printed to stdout and stderr: complete once it has ended."""
        if self.poll() is not None:
            self._tail.finish(_LAST_OUTPUT_S)
        return self._tail.text()

    def kill(self) -> None:
        """End everything inside at once and wait until it is gone. Does nothing the second time.

        Raises:
            MachineError: the kernel does not let go of a process, as happens when a GPU driver hangs.
        """
        with self._ending:
            if self._popen.poll() is None:
                self._end()
                if self.wait(_KILL_S) is None:
                    self._force()
                if self.wait(_KILL_S) is None:
                    raise MachineError(
                        f"A sandbox could not be killed within {2 * _KILL_S:g} s (process {self.pid}).",
                        "Its process hangs in the kernel; check the GPU driver with `nvidia-smi`, restart the machine.",
                    )
            self._finish()

    def freeze(self) -> None:
        """Stop everything inside until `thaw`; it is standing still on return.

        Raises:
            MachineError: it does not come to rest.
        """
        if self._cgroup is not None and self._cgroup.freezes:
            if not self._cgroup.freeze(_FREEZE_S) and self.poll() is None:
                self._cgroup.thaw()
                raise self._restless()
        elif not tree.stop(self.pid, _FREEZE_S):
            tree.resume(self.pid)
            raise self._restless()

    def thaw(self) -> None:
        """Let everything inside go on."""
        if self._cgroup is not None and self._cgroup.freezes:
            self._cgroup.thaw()
        else:
            tree.resume(self.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def _restless(self) -> MachineError:
        return MachineError(f"A sandbox did not come to rest within {_FREEZE_S:g} s (process {self.pid}).")

    def _end(self) -> None:
        # The first process of a namespace takes all others with it, and is gone only when they are. Its parent is held
        # meanwhile, so that it can't start that process behind our back.
        self._popen.send_signal(signal.SIGSTOP)
        first = tree.children(self.pid)
        for pid in first:
            tree.send(pid, signal.SIGKILL)
        if self._cgroup is not None:
            self._cgroup.thaw()
        self._popen.send_signal(signal.SIGCONT if first else signal.SIGKILL)

    def _force(self) -> None:
        """Kill each process by itself, for what outlives the first process of its namespace."""
        if self._cgroup is not None:
            self._cgroup.kill()
        for pid in tree.descendants(self.pid):
            tree.send(pid, signal.SIGKILL)
        self._popen.kill()

    def _finish(self) -> None:
        """After the end: note what the kernel killed it for, remove the control group. Once."""
        with self._ending:
            if self._ended.is_set():
                return
            self._ended.set()
            if self._cgroup is not None:
                if not self.killed_for and self._cgroup.ran_out_of_memory():
                    self.killed_for = "memory"
                self._cgroup.remove()
            if self._scratch is not None:
                self._scratch.remove()

    def _watch(self) -> None:
        """Kill the sandbox once it goes beyond its limits: in a thread, until the end."""
        while self.wait(WATCH_S) is None:
            reason = self._excess()
            with self._ending:
                if reason and self._popen.poll() is None:
                    self.killed_for = reason
                    self._end()
                    return

    def _excess(self) -> Excess:
        pids = tree.descendants(self.pid)
        tasks = self._cgroup.tasks() if self._cgroup is not None else None
        if (tree.count_tasks(pids) if tasks is None else tasks) > self._spec.processes + OWN_PROCESSES:
            return "processes"
        if self._fills_disk(pids):
            return "disk"
        if self._cgroup is not None and self._cgroup.limits_memory:
            return ""
        # What the caller lends is mapped inside, but not the program's doing.
        allowed = self._spec.memory_bytes + sum(self._lent.values())
        return "memory" if tree.memory_bytes(pids, allowed, self._lent.keys()) > allowed else ""

    def _fills_disk(self, pids: list[int]) -> bool:
        if self._scratch is None or time.monotonic() - self._disk_seen < _DISK_S:
            return False
        self._disk_seen = time.monotonic()
        try:
            used = self._scratch.bytes() + tree.deleted_bytes(pids, self._scratch.device)
        except FileNotFoundError:  # it has ended meanwhile
            return False
        except Unmeasurable:
            return True
        return used > self._spec.tmp_bytes


def _start(command: list[str], output: int, fds: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    def start() -> "subprocess.Popen[bytes]":
        keyring.leave()
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=fds,
            cwd="/",
            process_group=0,  # so that Ctrl-C reaches the harness alone
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )

    return _starter(os.getpid()).submit(start).result()


@cache
def _starter(pid: int) -> ThreadPoolExecutor:
    """The one thread that starts sandboxes: they die with the *thread* that started them, not with its process."""
    return ThreadPoolExecutor(1, thread_name_prefix=f"sandbox-starter-{pid}")
