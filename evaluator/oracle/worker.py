"""The oracle's end of one worker: starts it in the sandbox, asks, waits, and says what went wrong.

What a worker answers is a claim. A worker that is late, dies or breaks the protocol costs its candidate and no more.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from evaluator.errors import MachineError
from evaluator.gpus import Gpu
from evaluator.inside.wire import Channel, Message, WireError
from evaluator.oracle import claims
from evaluator.oracle.buffers import Transport
from evaluator.request import Limits
from evaluator.sandbox import Process, Spec, spawn

Mode = Literal["compile", "interpret", "device"]


class Confining(Protocol):
    """Says in which sandbox a worker runs, and what GPU its code is for."""

    target: Gpu
    transport: Transport

    def spec(self, mode: Mode, fd: int) -> Spec: ...


Kind = Literal["failed", "timeout", "crashed"]


class WorkerFailure(Exception):
    """Why a worker did not answer a command.

    `kind` is `failed` (it answered that it could not; `answer` says why), `timeout`, or `crashed`.
    """

    def __init__(self, kind: Kind, reason: str, answer: Message | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.answer = answer


class Answer(Message):
    """What a worker said to a command; asking for a part that it left out is the worker's failure, not ours."""

    def __missing__(self, part: str) -> Any:
        raise WorkerFailure("crashed", f"the worker broke the protocol: its answer has no {part}")


class Unjudgeable(WorkerFailure):
    """Nothing is wrong with the candidate so far, but it can't be checked; the reason says why."""

    def __init__(self, reason: str) -> None:
        super().__init__("failed", reason)


class WorkerHandle:
    """One sandboxed worker, from start to kill."""

    def __init__(self, mode: Mode, confinement: Confining, limits: Limits) -> None:
        ours, theirs = socket.socketpair()
        self._limits = limits
        self._ready = False
        self._started = time.monotonic()
        self._channel = Channel(ours)
        self._confinement = confinement
        try:
            self._process: Process = spawn(confinement.spec(mode, theirs.fileno()))
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()
        self._channel.send({"mode": mode, "target": confinement.target.model_dump(mode="json")})

    @property
    def transport(self) -> Transport:
        """How it is lent memory of a GPU."""
        return self._confinement.transport

    def wait_ready(self) -> None:
        """Wait until its imports are done.

        Raises:
            WorkerFailure: it died or took longer than `limits.start_s`.
        """
        if self._ready:
            return
        left = self._limits.start_s - (time.monotonic() - self._started)
        answer = self._receive(max(left, 1.0), "start")
        if not answer.get("ready"):
            raise WorkerFailure("crashed", f"the worker could not start: {answer.get('message', '')}", answer)
        self._ready = True

    def ask(self, message: Message, timeout_s: float, fds: tuple[int, ...] = ()) -> Message:
        """Send a command and return the answer.

        Raises:
            WorkerFailure: the answer is a failure, there is none in time, or the worker died.
        """
        self.wait_ready()
        try:
            self._channel.send(message, fds)
        except WireError as error:
            raise self._crashed(message["do"]) from error
        answer = self._receive(timeout_s, message["do"])
        try:
            claims.check(answer)
        except claims.Malformed as error:
            raise WorkerFailure("crashed", f"the worker broke the protocol in {message['do']}: {error}") from error
        if not answer.get("ok"):
            raise WorkerFailure("failed", explain(answer), answer)
        return Answer(answer)

    def freeze(self) -> None:
        """Stop everything in its sandbox until `thaw`.

        Raises:
            WorkerFailure: it does not come to rest.
        """
        try:
            self._process.freeze()
        except MachineError as error:
            raise WorkerFailure("failed", f"it can't be stopped: {error.problem}") from error

    def thaw(self) -> None:
        """Let it go on."""
        self._process.thaw()

    def kill(self) -> None:
        """End it, whatever it does; nothing of it remains."""
        self._process.kill()
        self._channel.close()

    def output(self) -> str:
        """The end of what it printed."""
        return self._process.output()

    def finish(self, timeout_s: float) -> tuple[str, int | None]:
        """Close the channel, wait for an exit; all that was printed, and the exit code (None: it had to be killed)."""
        self._channel.close()
        code = self._process.wait(timeout_s)
        self._process.kill()
        return self._process.output(), code

    def _receive(self, timeout_s: float, doing: str) -> Message:
        try:
            answer, _ = self._channel.receive(timeout_s)
        except TimeoutError as error:
            self.kill()
            raise WorkerFailure("timeout", f"{doing} took longer than {timeout_s:.0f} s") from error
        except WireError as error:
            raise self._crashed(doing) from error
        return answer

    def _crashed(self, doing: str) -> WorkerFailure:
        code = self._process.wait(5.0)
        self._process.kill()
        cause = f"killed for using too much or too many: {self._process.killed_for}" if self._process.killed_for else ""
        cause = cause or ("it broke the protocol" if code is None else f"exit code {code}")
        last = [line for line in self._process.output().splitlines() if line.strip()][-3:]
        detail = (": " + " | ".join(last)) if last else ""
        return WorkerFailure("crashed", f"the worker died during {doing} ({cause}){detail}"[:600])


def explain(answer: Message) -> str:
    """One sentence from a worker's failure: type, message, and the candidate's line."""
    line = f" (line {answer['line']})" if isinstance(answer.get("line"), int) else ""
    message = str(answer.get("message", "")).strip()
    return f"{answer.get('error', 'failure')}: {message[:1200]}{line}"


class Pool:
    """Workers of one mode, started ahead of need so that their imports cost no waiting. Each serves one candidate."""

    def __init__(self, mode: Mode, confinement: Confining, limits: Limits, size: int) -> None:
        self._mode = mode
        self._confinement = confinement
        self._limits = limits
        self._size = size
        self._waiting: list[WorkerHandle] = []
        self._still = False

    def new(self) -> WorkerHandle:
        """One more, which is not of those that wait."""
        return WorkerHandle(self._mode, self._confinement, self._limits)

    def take(self) -> WorkerHandle:
        """A ready worker; another one is started in its place.

        Raises:
            WorkerFailure: it did not start.
        """
        worker = self._waiting.pop(0) if self._waiting else self.new()
        if self._still:
            worker.thaw()
        else:
            self.fill()
        try:
            worker.wait_ready()
        except WorkerFailure:
            worker.kill()
            raise
        return worker

    def put_back(self, worker: WorkerHandle) -> None:
        """Take back a worker that met no candidate."""
        self._waiting.insert(0, worker)

    def fill(self) -> None:
        """Start workers until the pool is full again."""
        while len(self._waiting) < self._size:
            self._waiting.append(self.new())

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Stop the waiting workers, whose imports may still go on, and start none, so that they disturb no measurement.

        A worker that is taken meanwhile goes on.
        """
        self._still = True
        try:
            for worker in self._waiting:
                worker.freeze()
            yield
        finally:
            self._still = False
            for worker in self._waiting:
                worker.thaw()
            self.fill()

    @contextmanager
    def starting(self, count: int) -> Iterator[None]:
        """Have so many workers start at the same time, for whoever takes them within; quiet or not.

        Nobody may be measured meanwhile.
        """
        while len(self._waiting) < count:
            self._waiting.append(self.new())
        for worker in self._waiting[:count]:
            worker.thaw()
        try:
            yield
        finally:
            if self._still:
                for worker in self._waiting:
                    worker.freeze()

    def close(self) -> None:
        """Kill those that wait."""
        for worker in self._waiting:
            worker.kill()
        self._waiting = []
