"""Which torch operators a block of code runs, and how much they touch; memory that they hand out unwritten is poisoned.

Views, and operators without floating-point tensors, are left out. What the interpreter of Triton computes with torch
inside of a launch is the kernel's, not an operator's: `ablation.launching` suspends the observation for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from evaluator.inside import poison

_UNWRITTEN = frozenset({"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"})


class Operators(TorchDispatchMode):
    """While active, counts by operator the elements of the largest tensor of each call in `elements`.

    Args:
        pattern: a byte for memory that is allocated and not written; None leaves it as it is.
    """

    _suspended = False

    def __init__(self, pattern: int | None) -> None:
        super().__init__()
        self.elements: dict[str, int] = {}
        self._pattern = pattern

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        operator: Any = func
        grown = args[0] if operator._schema.name == "aten::resize_" else None
        before = grown.untyped_storage().nbytes() if grown is not None else 0
        result = func(*args, **(kwargs or {}))
        if Operators._suspended:
            return result
        namespace, _, name = operator._schema.name.partition("::")
        if self._pattern is not None and grown is not None:
            poison.fill(grown, self._pattern, before)
        elif self._pattern is not None and name in _UNWRITTEN:
            poison.fill(result, self._pattern)
        if not operator.is_view and (name.endswith("_") or _tensors(result)):  # others only answer questions
            self._count(name if namespace == "aten" else f"{namespace}.{name}", (args, kwargs, result))
        return result

    def _count(self, name: str, values: Any) -> None:
        tensors = _tensors(values)
        if any(tensor.is_floating_point() or tensor.is_complex() for tensor in tensors):
            largest = max(int(tensor.numel()) for tensor in tensors)
            self.elements[name] = self.elements.get(name, 0) + largest


@contextmanager
def suspended() -> Iterator[None]:
    """Do not observe what torch does in the block."""
    outer = Operators._suspended
    Operators._suspended = True
    try:
        yield
    finally:
        Operators._suspended = outer


def _tensors(values: Any) -> list[torch.Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
