"""Timing in the worker, under a cold L2, over a ring of slots: inputs at different addresses, each with its output.

Long forwards are timed singly: before each, reading other memory displaces the whole L2. Short ones are timed together,
one after another around the ring, which is larger than the L2, so that each finds its inputs cold: replayed as one CUDA
graph where the forward can be captured, else enqueued one by one behind a kernel that keeps the GPU busy meanwhile.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

import torch

from evaluator.inside.operators import Operators

_SPIN_MARGIN = 1.5  # the host's enqueue time varies
_MAX_SPIN_S = 10e-3
_LEAD_S = 1e-3  # a host that was waiting needs more for the first forward
_MAX_REASON = 200


Delivery = tuple[torch.Tensor, torch.Tensor]
"""Where to copy, and what."""


class Runnable(Protocol):
    def arguments(self, encoded: Any, places: list[dict[str, Any]]) -> list[Any]: ...
    def receivers(self, places: list[dict[str, Any]]) -> list[torch.Tensor]: ...
    def send(self, numbers: set[int]) -> None: ...
    def call(self, arguments: list[Any]) -> Any: ...
    def fitting(self, value: Any, targets: list[torch.Tensor]) -> list[Delivery]: ...


class Stopwatch:
    """Times forwards of one model on one device.

    Args:
        slots: {"inputs": places, "outputs": places} of each.
        encoded: the structure of the inputs, the same for all slots.
        flush_bytes: at least twice the L2.
    """

    def __init__(self, model: Runnable, slots: list[dict[str, Any]], encoded: Any, flush_bytes: int) -> None:
        self._model = model
        self._arguments = [model.arguments(encoded, slot["inputs"]) for slot in slots]
        self._receivers = [model.receivers(slot["outputs"]) for slot in slots]
        self.input_buffers = {place["buffer"] for slot in slots for place in slot["inputs"]}
        self._output_buffers = {place["buffer"] for slot in slots for place in slot["outputs"]}
        self._flush = torch.zeros(flush_bytes // 4, dtype=torch.float32, device="cuda")
        self._sink = torch.zeros((), dtype=torch.float32, device="cuda")
        self._outputs: list[Any] = []
        self._last: Any = None
        self._latest: dict[int, Any] = {}  # what the forwards that were timed last returned, by slot
        self._copy_out: Callable[[], Any] | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._spin_one = self._spin_all = 0
        self._next = 0

    def warm(self, calls: int) -> float:
        """Call `calls` times and learn how long the host needs to enqueue one forward; returns its GPU time in ms."""
        for _ in range(calls):
            self._single()
        torch.cuda.synchronize()
        self._spin_one = _spin_cycles(self._single)
        return min(self.singles(3))

    def capture(self, wanted: bool, observe: bool) -> tuple[str, dict[str, int]]:
        """Capture one way around the ring as a graph, if that is wanted.

        Returns the reason why there is none, or nothing, and how many elements torch's operators touched meanwhile.

        Args:
            observe: have torch observed. What was captured is what is timed, whatever a forward does in other calls.
                Not for torch.compile, which compiles nothing while torch is observed.
        """
        observed = Operators(None) if observe else None
        problem = self._capture(observed.observing() if observed else nullcontext()) if wanted else "too large"
        for _ in range(2):
            self._round()
        torch.cuda.synchronize()
        self._spin_all = _spin_cycles(self._round)
        return problem, observed.elements if observed else {}

    def _capture(self, observing: AbstractContextManager[object]) -> str:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph), observing:
                outputs = self._forwards()
        except Exception as error:  # noqa: BLE001  whatever a forward does that a graph can't hold
            torch.cuda.synchronize()
            return f"{type(error).__name__}: {error}"[:_MAX_REASON]
        self._graph, self._outputs = graph, outputs
        return ""

    def singles(self, repeats: int, first: int = 0) -> list[float]:
        """Milliseconds of `repeats` forwards, each by its own pair of events, the L2 displaced before each.

        Args:
            first: the slot to begin with.
        """
        self._next = first
        self._latest = {}
        pairs = []
        torch.cuda._sleep(_cycles(_LEAD_S))
        for _ in range(repeats):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            # Read, not written: lines that a flush left dirty would be written back on the forward's time.
            torch.sum(self._flush, dim=0, out=self._sink)
            torch.cuda._sleep(self._spin_one)
            begin.record()
            self._single()
            end.record()
            pairs.append((begin, end))
        torch.cuda.synchronize()
        self._latest = {(self._next - 1) % len(self._arguments): self._last}
        return [begin.elapsed_time(end) for begin, end in pairs]

    def rounds(self, repeats: int) -> list[float]:
        """Milliseconds of a forward, averaged over the ring, for each of `repeats` ways around it."""
        pairs = []
        torch.cuda._sleep(_cycles(_LEAD_S))
        for _ in range(repeats):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda._sleep(self._spin_all)
            begin.record()
            self._round()
            end.record()
            pairs.append((begin, end))
        torch.cuda.synchronize()
        self._latest = dict(enumerate(self._outputs))
        return [begin.elapsed_time(end) / len(self._arguments) for begin, end in pairs]

    def deliver(self) -> None:
        """Go once around the ring and hand all outputs over."""
        self._round()
        if self._graph is None or self._copy_out is None:
            pairs = zip(self._outputs, self._receivers, strict=True)
            deliveries = [each for value, receivers in pairs for each in self._model.fitting(value, receivers)]
            # A graph's outputs stay where they are, so that copying them can be one as well.
            self._copy_out = copying(deliveries, as_graph=self._graph is not None)
        self._copy_out()
        self._model.send(self._output_buffers)
        torch.cuda.synchronize()

    def hand_over(self, slots: list[int]) -> None:
        """Hand over what the last timed forward in each of these slots returned; nothing runs again."""
        for slot in slots:
            for receiver, value in self._model.fitting(self._latest[slot], self._receivers[slot]):
                receiver.copy_(value)
        self._model.send(self._output_buffers)
        torch.cuda.synchronize()

    def _single(self) -> None:
        # Kept in every block alike: in one whose output is asked for, it must not lie elsewhere.
        self._last = self._model.call(self._arguments[self._next])
        self._next = (self._next + 1) % len(self._arguments)

    def _round(self) -> None:
        if self._graph is not None:
            self._graph.replay()
        else:
            self._outputs, self._latest = [], {}
            self._outputs = self._forwards()

    def _forwards(self) -> list[Any]:
        # All outputs live at once: written to the same memory again and again, they would stay in the L2.
        return [self._model.call(arguments) for arguments in self._arguments]


def copying(deliveries: Sequence[Delivery], as_graph: bool) -> Callable[[], Any]:
    """What makes all these copies, again and again; on a GPU as one CUDA graph where that is wanted.

    What the host needs to enqueue many copies would pass while forwards run, and hide as much of their time from the
    oracle's clock.
    """
    if not deliveries:
        return lambda: None
    targets, sources = zip(*deliveries, strict=True)
    copy = partial(torch._foreach_copy_, targets, sources)
    if not as_graph:
        return copy
    copy()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        copy()
    return graph.replay


def _spin_cycles(enqueue: Any) -> int:
    """GPU cycles that pass while the host calls `enqueue`."""
    began = time.perf_counter()
    enqueue()
    enqueued = time.perf_counter() - began
    torch.cuda.synchronize()
    return _cycles(min(enqueued * _SPIN_MARGIN, _MAX_SPIN_S))


def _cycles(seconds: float) -> int:
    """GPU cycles that take so long."""
    kilohertz = torch.cuda.get_device_properties(0).clock_rate
    return int(seconds * kilohertz * 1e3)
