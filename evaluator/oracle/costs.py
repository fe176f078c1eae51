"""What a task can't do without: its reference is run once on fake tensors at its true sizes, which costs no memory."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from evaluator.errors import UsageError
from evaluator.inside import tree
from evaluator.inside.operators import Operators
from evaluator.oracle.operators import working
from evaluator.oracle.reference import Reference
from evaluator.tasks import Task
from evaluator.work import TaskCost, family, plain_name

_LOOKED_UP = frozenset({"embedding", "embedding_bag", "index_select", "gather", "index", "take"})
_OPERATIONS = {
    **dict.fromkeys(("layer_norm", "batch_norm", "group_norm", "rms_norm", "cudnn_batch_norm"), 8),
    **dict.fromkeys(("softmax", "log_softmax", "logsumexp"), 5),
    **dict.fromkeys(("gelu", "mish", "softplus", "erf", "tanh"), 8),
    **dict.fromkeys(("sigmoid", "silu", "elu", "exp", "log", "pow", "sin", "cos"), 4),
    **dict.fromkeys(("hardswish", "hardsigmoid", "var", "var_mean", "std"), 3),
}
"""Operations that an element takes, roughly; what is not listed takes one. Only their order of magnitude matters: it
shows that a tail of such operators is bound by memory."""


class Costs:
    """Counts each task once."""

    def __init__(self) -> None:
        self._known: dict[str, TaskCost | str] = {}

    def of(self, task: Task) -> TaskCost | str:
        """The task's cost, or the reason why it can't be counted."""
        if task.digest not in self._known:
            self._known[task.digest] = count(task)
        return self._known[task.digest]


def count(task: Task) -> TaskCost | str:
    """Bytes and FLOPs of one forward of the reference, or why it has none to tell."""
    try:
        with FakeTensorMode():
            reference = Reference(task.reference, str(task.path), "cpu")
            inputs, model = reference.inputs(0), reference.model(0)
            counter = _Counter()
            with counter:
                _, outputs = reference.run(model, inputs)
            return _cost(counter, inputs, model, outputs)
    except UsageError as error:
        return f"bytes and FLOPs of the task could not be counted, its reference does not run on fake tensors: {error}"


class _Counter(Operators):
    """Counts operators, and how much of each storage they read."""

    def __init__(self) -> None:
        super().__init__(None)
        self._read: dict[int, dict[tuple[int, int], int]] = {}  # storage -> view -> bytes

    def read_bytes(self, storage: torch.UntypedStorage) -> int:
        """What was read of a storage: its distinct views together, but no more than there is."""
        return min(sum(self._read.get(storage._cdata, {}).values()), int(storage.nbytes()))

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = super().__torch_dispatch__(func, types, args, kwargs)
        operator: Any = func
        if not operator.is_view and _tensors(result):
            most = _size(result) if operator._schema.name.removeprefix("aten::") in _LOOKED_UP else math.inf
            for tensor in _tensors((args, kwargs)):
                views = self._read.setdefault(tensor.untyped_storage()._cdata, {})
                view = (int(tensor.storage_offset()), _size(tensor))
                views[view] = max(views.get(view, 0), int(min(_size(tensor), most)))
        return result


def _cost(counter: _Counter, inputs: list[Any], model: torch.nn.Module, outputs: list[torch.Tensor]) -> TaskCost:
    given = [*_tensors(inputs), *model.parameters(), *model.buffers()]
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in given}
    made = {tensor.untyped_storage()._cdata: _size(tensor) for tensor in outputs}
    floating = [tensor.dtype for tensor in (*given, *outputs) if tensor.is_floating_point()]
    widest = max(floating, key=lambda dtype: dtype.itemsize, default=torch.float32)
    return TaskCost(
        read_bytes=sum(map(counter.read_bytes, storages.values())),
        written_bytes=sum(size for storage, size in made.items() if storage not in storages),
        contractions=counter.flops,
        elementwise={
            name: _OPERATIONS.get(plain_name(name), 1) * elements
            for name, elements in working(counter.elements, 1, 0.0).items()
            if name not in counter.flops and not family(name)
        },
        dtype=tree.dtype_name(widest),
    )


def _size(value: Any) -> int:
    """Bytes of the distinct elements of all tensors in a value."""
    return sum(
        min(
            tensor.element_size() * math.prod(n for n, step in zip(tensor.shape, tensor.stride(), strict=True) if step),
            tensor.untyped_storage().nbytes(),
        )
        for tensor in _tensors(value)
    )


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]
