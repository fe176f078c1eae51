"""The worker's command loop: one candidate, one life, inside the sandbox.

Started as `python -m evaluator.inside.worker MODE FD`, with MODE one of

    compile    no GPU: compile ahead of time what forward launches
    interpret  no GPU: run forward in Triton's interpreter on the CPU
    device     on the GPU

It imports what candidates need, says that it is ready, and then answers one message after another. A failure is an
answer as well; what kind of failure it was is for the oracle to judge.
"""

import contextlib
import os
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from evaluator.inside.wire import Channel, Message, WireError

_TRACE_CHARS = 4000


class Worker:
    """Answers messages; `do` names the method."""

    def __init__(self, mode: str, channel: Channel) -> None:
        from evaluator.inside.memory import Loans

        self.mode = mode
        self.device = "cuda" if mode == "device" else "cpu"
        self._channel = channel
        self._loans = Loans()
        self._session: Any = None
        self._stopwatch: Any = None

    def serve(self) -> None:
        """Answer until the oracle closes the channel."""
        commands: dict[str, Callable[[Message, tuple[int, ...]], Message]] = {
            "compile": self._compile,
            "load": self._load,
            "lend": self._lend,
            "weights": self._weights,
            "forward": self._forward,
            "buffers": self._buffers,
            "warm": self._warm,
            "time": self._time,
            "facts": self._facts,
            "profile": self._profile,
        }
        while True:
            try:
                message, fds = self._channel.receive()
            except WireError:
                return
            try:
                answer = commands[message["do"]](message, fds) | {"ok": True}
            except BaseException as error:  # the boundary: whatever a candidate raises is an answer
                answer = describe_failure(error, message["do"])
            self._channel.send(answer)

    def _load(self, message: Message, fds: tuple[int, ...]) -> Message:
        from evaluator.inside import model, pins

        with self._names():
            module = model.import_source(message["source"])
            pins.pin(module, message.get("autotune", {}))
            self._session = model.Session(module, message, self.device, self._loans)
        return {"parameters": self._session.parameters()}

    def _lend(self, message: Message, fds: tuple[int, ...]) -> Message:
        self._loans.open(message["buffers"], fds)
        return {}

    def _weights(self, message: Message, fds: tuple[int, ...]) -> Message:
        self._session.take_weights(message["places"])
        return {}

    def _forward(self, message: Message, fds: tuple[int, ...]) -> Message:
        self._session.set_inputs(message["inputs"], message["input_places"])
        with self._names():
            return dict(self._session.deliver(self._session.forward(), message["output_places"]))

    def _buffers(self, message: Message, fds: tuple[int, ...]) -> Message:
        self._session.give_buffers(message["places"])
        return {}

    def _warm(self, message: Message, fds: tuple[int, ...]) -> Message:
        from evaluator.inside.timing import Stopwatch

        self._stopwatch = Stopwatch(message["flush_bytes"])
        return {"forward_ms": self._stopwatch.warm(self._session, message["calls"])}

    def _time(self, message: Message, fds: tuple[int, ...]) -> Message:
        return {"samples_ms": self._stopwatch.time(self._session, message["repeats"])}

    def _facts(self, message: Message, fds: tuple[int, ...]) -> Message:
        """What was launched by one more forward: kernels, resources, chosen configurations, shares of GPU time."""
        from evaluator.inside import pins

        return pins.observe(self._session)

    def _profile(self, message: Message, fds: tuple[int, ...]) -> Message:
        """One forward under the profiler, after `calls` that it does not see."""
        import torch

        for _ in range(message["calls"]):
            self._session.forward()
        torch.cuda.synchronize()
        torch.cuda.profiler.start()
        self._session.forward()
        torch.cuda.synchronize()
        torch.cuda.profiler.stop()
        return {}

    def _compile(self, message: Message, fds: tuple[int, ...]) -> Message:
        from evaluator.inside import aot, model

        module = model.import_source(message["source"])
        return dict(aot.compile_candidate(module, message))

    def _names(self) -> contextlib.AbstractContextManager[Any]:
        if self.device == "cuda":
            return contextlib.nullcontext()
        from evaluator.inside.cuda_names import CudaNames

        return CudaNames()


def describe_failure(error: BaseException, at: str) -> Message:
    """A failure in words: type, message, the last line of the candidate's own source that it passed, its trace."""
    from evaluator.inside.model import BadSource

    line = None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith("/tmp/source/"):
            line = frame.lineno
    names = [kind.__name__ for kind in type(error).__mro__]
    return {
        "ok": False,
        "at": at,
        "error": type(error).__name__,
        "bases": names,
        "message": str(error)[:_TRACE_CHARS],
        "line": getattr(error, "line", None) or line,
        "bad_source": isinstance(error, BadSource),
        "trace": "".join(traceback.format_exception(error))[-_TRACE_CHARS:],
    }


def warm_up(mode: str) -> None:
    """Import what candidates import, before any of them arrives."""
    if mode == "interpret":
        os.environ["TRITON_INTERPRET"] = "1"
    import torch
    import triton  # noqa: F401

    if mode == "device":
        torch.zeros(1, device="cuda")
    elif mode == "interpret":
        from evaluator.inside import interpreter

        interpreter.install()
    elif mode == "compile":
        from evaluator.inside import aot  # noqa: F401


def main() -> None:
    mode, fd = sys.argv[1], int(sys.argv[2])
    channel = Channel(socket.socket(fileno=fd))
    try:
        warm_up(mode)
        worker = Worker(mode, channel)
    except Exception as error:
        channel.send({"ready": False} | describe_failure(error, "start"))
        return
    channel.send({"ready": True})
    worker.serve()


if __name__ == "__main__":
    main()
