"""Which torch operators a block of code runs, and how much they touch; memory that they hand out unwritten is poisoned.

Views are left out, and operators on tensors that hold neither floating-point numbers nor the bits of some. What our
arithmetic for Triton's interpreter computes with torch is the kernel's, not an operator's, and `suspended`. A launch as
a whole is not: it calls the candidate's hooks, its grid and its arguments.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any, Self
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from evaluator.inside import poison

# As they are when this is imported: a candidate can replace methods of torch.Tensor, and so deny what its tensors are.
_dtype = torch._C.TensorBase.dtype.__get__
_elements = torch._C.TensorBase.numel
_storage = torch._C.TensorBase.untyped_storage

_UNWRITTEN = frozenset({"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"})


class Operators(TorchDispatchMode):
    """Counts by operator the elements of the largest tensor of each call in `elements`, and in `flops` the
    floating-point operations of contractions: of all that runs in a block of `observing`.

    Args:
        pattern: a byte for memory that is allocated and not written; None leaves it as it is.
    """

    _suspended = False

    def __init__(self, pattern: int | None) -> None:
        super().__init__()
        self.elements: dict[str, int] = {}
        self.flops: dict[str, int] = {}
        self._pattern = pattern
        # Storages with bits of floating-point numbers; kept, since another could come to lie where one was.
        self._bits: dict[int, torch.Tensor] = {}

    @contextmanager
    def observing(self) -> Iterator[Self]:
        """Observe the block, and the threads that it starts: torch.nn.parallel has modules run in some."""
        start = Thread.start

        def start_observed(thread: Thread) -> None:
            thread.run = self._beside(thread.run)  # type: ignore[method-assign]
            start(thread)

        with patch.object(Thread, "start", start_observed), self:
            yield self

    def _beside(self, run: Callable[[], None]) -> Callable[[], None]:
        """A thread's work, observed into the same counts; torch keeps modes by thread."""
        beside = Operators(self._pattern)
        beside.elements, beside.flops, beside._bits = self.elements, self.flops, self._bits

        def observed() -> None:
            with beside:
                run()

        return observed

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
        if operator is torch.ops.aten.view.dtype:
            self._follow_bits(_tensors(args), result)
        if not operator.is_view and (name.endswith("_") or _tensors(result)):  # others only answer questions
            self._count(name if namespace == "aten" else f"{namespace}.{name}", _tensors((args, kwargs)), result)
        if done := contraction_flops(operator, args, kwargs or {}, result):
            self.flops[name] = self.flops.get(name, 0) + done
        return result

    def _count(self, name: str, given: list[torch.Tensor], result: Any) -> None:
        tensors = given + _tensors(result)
        if any(map(_is_floating, tensors)) or self._are_bits(tensors):
            largest = max(int(_elements(tensor)) for tensor in tensors)
            self.elements[name] = self.elements.get(name, 0) + largest
        if self._are_bits(given):
            self._follow_bits(given, result)

    def _are_bits(self, tensors: Iterable[torch.Tensor]) -> bool:
        return bool(self._bits) and any(_storage(tensor)._cdata in self._bits for tensor in tensors)

    def _follow_bits(self, given: list[torch.Tensor], result: Any) -> None:
        """Whoever looks at floating-point numbers as integers and computes with these, computes with those."""
        if self._are_bits(given) or any(map(_is_floating, given)):
            self._bits |= {_storage(tensor)._cdata: tensor for tensor in _tensors(result)}


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


def _is_floating(tensor: torch.Tensor) -> bool:
    kind = _dtype(tensor)
    return bool(kind.is_floating_point or kind.is_complex)


def _tensors(values: Any) -> list[torch.Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
