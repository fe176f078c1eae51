"""Which torch operators a block of code runs, and how much they touch; memory that they hand out unwritten is poisoned.

Views, and operators without floating-point tensors, are left out. What our arithmetic for Triton's interpreter computes
with torch is the kernel's, not an operator's, and `suspended`. A launch as a whole is not: it calls the candidate's
hooks, its grid and its arguments.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from evaluator.inside import poison

_UNWRITTEN = frozenset({"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"})


class Operators(TorchDispatchMode):
    """While active, counts by operator the elements of the largest tensor of each call in `elements`, and in `flops`
    the floating-point operations of contractions.

    Args:
        pattern: a byte for memory that is allocated and not written; None leaves it as it is.
    """

    _suspended = False

    def __init__(self, pattern: int | None) -> None:
        super().__init__()
        self.elements: dict[str, int] = {}
        self.flops: dict[str, int] = {}
        self._pattern = pattern

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled under it; keeping torch.compile out would import it first, which takes a second."""
        return False

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
        if done := contraction_flops(operator, args, kwargs or {}, result):
            self.flops[name] = self.flops.get(name, 0) + done
        return result

    def _count(self, name: str, values: Any) -> None:
        tensors = _tensors(values)
        if any(tensor.is_floating_point() or tensor.is_complex() for tensor in tensors):
            largest = max(int(tensor.numel()) for tensor in tensors)
            self.elements[name] = self.elements.get(name, 0) + largest


def contraction_flops(operator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    """Floating-point operations of one call, a multiplication and an addition being two; 0 for what is no contraction.

    By the formulas of torch.utils.flop_counter; for what it lacks (products with vectors, attention on a CPU) by ours.
    """
    formula = flop_registry.get(operator._overloadpacket)
    if formula is not None:
        try:
            return int(formula(*args, **kwargs, out_val=result))
        except (AssertionError, AttributeError, IndexError, TypeError, ValueError):
            return 0  # a form of the call that the formula does not know
    name = operator._schema.name.removeprefix("aten::")
    if name == "_scaled_dot_product_flash_attention_for_cpu":
        return int(sdpa_flop_count(*(tensor.shape for tensor in args[:3])))
    return 2 * int(args[_VECTOR_PRODUCTS[name]].numel()) if name in _VECTOR_PRODUCTS else 0


# The argument whose every element is multiplied and added once.
_VECTOR_PRODUCTS = {"mv": 0, "dot": 0, "vdot": 0, "addmv": 1}


@contextmanager
def suspended() -> Iterator[None]:
    """Do not observe what torch does in the block, or in the function below it; neither may call the candidate."""
    outer = Operators._suspended
    Operators._suspended = True
    try:
        yield
    finally:
        Operators._suspended = outer


def _tensors(values: Any) -> list[torch.Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
