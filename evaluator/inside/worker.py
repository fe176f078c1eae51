"""The worker's command loop: one candidate, one life, inside the sandbox.

Started as `python -m evaluator.inside.worker FD`. The first message says what it is to be: `target`, the facts of the
GPU that code is for, and `mode`, one of

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
from pathlib import Path
from typing import Any

from evaluator.inside.startup import without_collections
from evaluator.inside.wire import Channel, Message, WireError

_TRACE_CHARS = 4000
_PROCESSORS = 64


class Worker:
    """Answers messages; `do` names the method."""

    def __init__(self, mode: str, target: Message, channel: Channel) -> None:
        from evaluator.inside.device import Device
        from evaluator.inside.memory import Loans

        self._mode = mode
        self._target = Device.of(target)
        self.device = "cuda" if mode == "device" else "cpu"
        self._channel = channel
        self._loans = Loans(self.device)
        self._session: Any = None
        self._scrutiny: Any = None
        self._aside: Any = None
        self._flags: dict[str, str] = {}
        self._stopwatch: Any = None

    def serve(self) -> None:
        """Answer until the oracle closes the channel."""
        commands: dict[str, Callable[[Message, tuple[int, ...]], Message]] = {
            "compile": self._compile,
            "generate": self._generate,
            "load": self._load,
            "resume": self._resume,
            "lend": self._lend,
            "weights": self._weights,
            "forward": self._forward,
            "deliver": self._deliver,
            "buffers": self._buffers,
            "warm": self._warm,
            "ring": self._ring,
            "time": self._time,
            "hand_over": self._hand_over,
            "audit": self._audit,
            "idle": self._idle,
            "facts": self._facts,
            "kernel_times": self._kernel_times,
            "profile": self._profile,
        }
        while True:
            try:
                message, fds = self._channel.receive()
            except WireError:
                return
            try:
                answer = commands[message["do"]](message, fds) | {"ok": True}
            except BaseException as error:  # noqa: BLE001  the boundary: whatever a candidate raises is an answer
                answer = describe_failure(error, message["do"])
            self._channel.send(answer)

    def _load(self, message: Message, fds: tuple[int, ...]) -> Message:
        from evaluator.inside import model, pins
        from evaluator.inside.scrutiny import Scrutiny

        self._aside = self._session, self._scrutiny
        model.set_precision(message["precision"])
        with self._names():
            if message.get("beside"):  # the module is there: construct it once more, for other sizes
                module = self._session.module
            else:
                self._flags = model.flags()
                module = model.import_source(message["source"])
                pins.pin(module, message.get("autotune", {}))
            self._session = model.Session(module, message, self.device, self._loans)
        self._scrutiny = Scrutiny(self._session, on_gpu=self.device == "cuda")
        return {"parameters": self._session.parameters()}

    def _resume(self, message: Message, fds: tuple[int, ...]) -> Message:
        """Back to the session that a load beside it had put aside."""
        self._session, self._scrutiny = self._aside
        return {}

    def _lend(self, message: Message, fds: tuple[int, ...]) -> Message:
        self._loans.open(message["buffers"], fds)
        return {}

    def _weights(self, message: Message, fds: tuple[int, ...]) -> Message:
        self._session.take_weights(message["places"])
        return {}

    def _forward(self, message: Message, fds: tuple[int, ...]) -> Message:
        from evaluator.inside import model

        self._session.set_inputs(message["inputs"], message["input_places"])
        if self._mode == "interpret":
            from evaluator.inside import interpreter

            interpreter.choose(message["draw"])  # another configuration of each autotuner for each draw
        with self._names():
            answer = dict(self._scrutiny.forward(message))
        self._loans.give_back(message["input_places"])
        now = model.flags()
        return answer | {"flags": {name: [was, now[name]] for name, was in self._flags.items() if was != now[name]}}

    def _deliver(self, message: Message, fds: tuple[int, ...]) -> Message:
        return dict(self._scrutiny.deliver(message))

    def _buffers(self, message: Message, fds: tuple[int, ...]) -> Message:
        self._session.give_buffers(message["places"])
        return {}

    def _warm(self, message: Message, fds: tuple[int, ...]) -> Message:
        """Make a stopwatch over the given slots; says how long one forward takes."""
        self._stopwatch = self._new_stopwatch(message)
        return {"forward_ms": self._stopwatch.warm(message["calls"])}

    def _ring(self, message: Message, fds: tuple[int, ...]) -> Message:
        """Make the stopwatch that blocks are timed with."""
        self._stopwatch = None
        self._stopwatch = self._new_stopwatch(message)
        self._stopwatch.warm(1)
        problem, elements = self._stopwatch.capture(message["capture"], message["observe"])
        return {"not_captured": problem, "operators": elements}

    def _time(self, message: Message, fds: tuple[int, ...]) -> Message:
        self._loans.refresh(self._stopwatch.input_buffers)
        if message["around"]:
            return {"samples_ms": self._stopwatch.rounds(message["repeats"])}
        return {"samples_ms": self._stopwatch.singles(message["repeats"], message["first"])}

    def _hand_over(self, message: Message, fds: tuple[int, ...]) -> Message:
        self._stopwatch.hand_over(message["slots"])
        return {}

    def _audit(self, message: Message, fds: tuple[int, ...]) -> Message:
        self._loans.refresh(self._stopwatch.input_buffers)
        self._stopwatch.deliver()
        return {}

    def _idle(self, message: Message, fds: tuple[int, ...]) -> Message:
        """As little as a command to the GPU can be: what it takes is what any command takes."""
        import torch

        torch.cuda._sleep(1)
        torch.cuda.synchronize()
        return {}

    def _new_stopwatch(self, message: Message) -> Any:
        from evaluator.inside.timing import Stopwatch

        return Stopwatch(self._session, message["slots"], message["arguments"], message["flush_bytes"])

    def _facts(self, message: Message, fds: tuple[int, ...]) -> Message:
        from evaluator.inside.observation import observe

        return observe(self._session.module, self._session.forward)

    def _kernel_times(self, message: Message, fds: tuple[int, ...]) -> Message:
        from evaluator.inside.observation import kernel_times

        return {"kernels": kernel_times(self._session.forward)}

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
        from evaluator.inside import aot, model, stub_driver

        stub_driver.activate(self._target)
        with self._names():
            module = model.import_source(message["source"])
        init, inputs = _arguments(message["true"])
        small_init, small_inputs = _arguments(message["small"]) if message["small"] else (None, None)
        model_class = model.find_class(module, message["class"])
        return aot.compile_candidate(model_class, init, inputs, self._target, small_init, small_inputs)

    def _generate(self, message: Message, fds: tuple[int, ...]) -> Message:
        """What torch.compile makes of the reference, at the true sizes first."""
        from evaluator.inside import generation, model

        model.set_precision(message["precision"])
        sources = enumerate(message["sources"])
        modules = [model.import_source(source, f"reference_{number}") for number, source in sources]
        return {"generation": generation.generate(list(zip(modules, message["sizes"], strict=True)), self.device)}

    def _names(self) -> contextlib.AbstractContextManager[Any]:
        """Lets code that says `cuda` run where there is none."""
        if self.device == "cuda":
            return contextlib.nullcontext()
        from evaluator.inside.cuda_names import CudaNames

        return CudaNames(self._target)


def _arguments(sizes: Message) -> tuple[list[Any], list[Any]]:
    """Constructor arguments, and inputs with specifications in place of tensors."""
    from evaluator.inside import tree
    from evaluator.inside.tensors import TensorSpec

    specs = [TensorSpec(tuple(spec["shape"]), tuple(spec["strides"]), spec["dtype"]) for spec in sizes["specs"]]
    return tree.unflatten(sizes["init"], []), tree.unflatten(sizes["inputs"], specs)


def describe_failure(error: BaseException, at: str) -> Message:
    """A failure in words: type, message, the last line of the candidate's own source that it passed, its trace."""
    from evaluator.inside.model import BadSource, source_folder

    line = None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).parent == source_folder():
            line = frame.lineno
    names = [kind.__name__ for kind in type(error).__mro__]
    return {
        "ok": False,
        "at": at,
        "error": type(error).__name__,
        "bases": names,
        "message": str(error)[:_TRACE_CHARS],
        "line": getattr(error, "line", None) or line,
        "column": getattr(error, "column", None),
        "bad_source": isinstance(error, BadSource),
        "trace": "".join(traceback.format_exception(error))[-_TRACE_CHARS:],
    }


def warm_up(mode: str, target: Message) -> None:
    """Import what candidates import and do once what only the first use is slow at, before any candidate arrives."""
    if mode == "interpret":
        os.environ["TRITON_INTERPRET"] = "1"
    from evaluator.inside import refusing
    from evaluator.inside.device import Device

    refusing.refuse()
    if mode == "device":
        from evaluator.inside import observation, warm_kernel  # noqa: F401

        warm_kernel.run()
    elif mode == "interpret":
        from evaluator.inside import interpreter

        interpreter.install(Device.of(target))
    else:
        from evaluator.inside import aot

        aot.warm(Device.of(target))


def narrow() -> None:
    """Stay on a bounded number of processors: libraries start a thread for each, and threads count as processes."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_PROCESSORS])


def main() -> None:
    narrow()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    first, _ = channel.receive()
    try:
        with without_collections():
            warm_up(first["mode"], first["target"])
        worker = Worker(first["mode"], first["target"], channel)
    except Exception as error:  # noqa: BLE001  the boundary of the process
        channel.send({"ready": False} | describe_failure(error, "start"))
        return
    channel.send({"ready": True})
    worker.serve()


if __name__ == "__main__":
    main()
