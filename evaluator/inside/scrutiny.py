"""One forward and everything that is said about it beside the outputs: operators, launches, types, shared memory.

All of it are claims of an untrusted process: they can convict a candidate and never acquit it.
"""

from contextlib import AbstractContextManager, ExitStack
from typing import Any

import torch

from evaluator.inside import ablation, poison, tree
from evaluator.inside.model import Session
from evaluator.inside.operators import Operators


class Scrutiny:
    """Runs the forwards of a session; keeps the result of one for a while if asked to.

    Args:
        on_gpu: poison through the allocator, which costs a forward nothing, and observe only when asked.
    """

    def __init__(self, session: Session, on_gpu: bool) -> None:
        self._session = session
        self._on_gpu = on_gpu
        self._held: Any = None

    def forward(self, message: dict[str, Any]) -> dict[str, Any]:
        """One forward on the session's inputs, delivered to `output_places`.

        `draw` chooses the pattern in unwritten memory; `stub` names kernels whose launches are left out (`*`: all);
        `observe` asks for operators and launches on a GPU too; `bare` asks for operators alone, in memory as it is, so
        that the forward is as those that are timed; `hold` keeps the result until `deliver`; `trace` (an output and an
        element of it) asks the interpreter which programs write it.
        """
        bare = bool(message.get("bare"))
        byte = None if bare else poison.pattern(message["draw"])
        observed = Operators(byte)
        launched: dict[str, int] = {}
        stores = None
        with ExitStack() as stack:
            if "trace" in message:
                stores = stack.enter_context(_noting_stores())
            if self._on_gpu and byte is not None:
                poison.prefill([*message["output_places"], *message["input_places"]], byte)
            watched = not self._on_gpu or message.get("observe") or message.get("stub")
            if watched:
                launched = stack.enter_context(ablation.launching(message.get("stub", ())))
            if watched or bare:
                stack.enter_context(observed.observing())
            value = self._session.forward()
        answer = self._session.deliver(value, message["output_places"])
        answer |= {"operators": observed.elements, "flops": observed.flops}
        answer |= {"launched": launched, "shared": self._shared(value)}
        answer["types"] = [_type_name(tensor) for tensor in _tensors(value)]
        if stores is not None:
            output, element = message["trace"]
            answer["writers"] = stores.writers(_address(_tensors(value)[output], element))
        if message.get("hold"):
            self._held = value
        return answer

    def deliver(self, message: dict[str, Any]) -> dict[str, Any]:
        """Deliver the result that is held once more, as it is now, and let it go."""
        held, self._held = self._held, None
        return self._session.deliver(held, message["output_places"])

    def _shared(self, value: Any) -> list[dict[str, Any]]:
        """Outputs that share memory with an input or with an output that is still held."""
        others = {"input": self._session.inputs, "earlier output": self._held}
        found = []
        for index, output in enumerate(_tensors(value)):
            for kind, other in others.items():
                for number, tensor in enumerate(_tensors(other)):
                    if _overlap(_span(output), _span(tensor)):
                        found.append({"output": index, "with": f"{kind} {number}"})
        return found


def _noting_stores() -> AbstractContextManager[Any]:
    from evaluator.inside import interpreter  # only where Triton interprets

    return interpreter.noting_stores()


def _address(tensor: torch.Tensor, element: int) -> int:
    """Where the element with this row-major index lies."""
    place = 0
    for size, stride in zip(reversed(tensor.shape), reversed(tensor.stride()), strict=True):
        element, index = divmod(element, size)
        place += index * stride
    return tensor.data_ptr() + place * tensor.element_size()


def _tensors(value: Any) -> list[torch.Tensor]:
    tensors: list[torch.Tensor] = []
    tree.flatten(value, tensors)
    return tensors


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """First address and the one after the last; empty for a tensor without memory."""
    try:
        start = tensor.data_ptr()
    except (RuntimeError, NotImplementedError):  # a subclass without storage
        return 0, 0
    if tensor.numel() == 0:
        return 0, 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return start, start + (last + 1) * tensor.element_size()


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return max(one[0], other[0]) < min(one[1], other[1])


def _type_name(tensor: torch.Tensor) -> str:
    kind = type(tensor)
    return "torch.Tensor" if kind is torch.Tensor else f"{kind.__module__}.{kind.__qualname__}"
