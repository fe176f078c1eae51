"""The reference: the module that says what is right. Trusted code, run only here and in reference workers."""

import copy
import random
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from evaluator.errors import UsageError
from evaluator.inside import tree
from evaluator.inside.model import construct
from evaluator.shrink import override_integers
from evaluator.tasks import Task


@dataclass(frozen=True)
class TensorSpec:
    """Shape, strides and dtype of a tensor that is not there."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, tensor: torch.Tensor) -> "TensorSpec":
        return cls(tuple(tensor.shape), tuple(tensor.stride()), tree.dtype_name(tensor.dtype))


class Reference:
    """A reference file, executed: makes inputs from seeds, builds the module, and runs it at its own and at double
    precision.

    Args:
        source: text of the file, at the sizes wanted.
        where: path shown in messages.
        device: `cuda` or `cpu`; inputs are generated there.

    Raises:
        UsageError: the file fails to run, or lacks something of the convention.
    """

    def __init__(self, source: str, where: str, device: str) -> None:
        self.device = device
        self.sizes: dict[str, int] = {}  # those that were changed; see `at`
        self.independent: bool | None = None  # are the rows of a batch independent? None until somebody tried
        self.unfit: dict[str, str] = {}  # distributions of inputs that it is not meaningful for, with the reason
        self._where = where
        module = types.ModuleType("reference")
        module.__file__ = where
        self._guard("the file", lambda: exec(compile(source, where, "exec"), module.__dict__))
        missing = [name for name in ("Model", "get_inputs", "get_init_inputs") if not hasattr(module, name)]
        if missing:
            raise UsageError(f"{where} does not define {', '.join(missing)}", "A reference file needs all three.")
        self._module = module
        self.init = self._guard("get_init_inputs()", lambda: self._encode_init(module.get_init_inputs()))

    def inputs(self, seed: int) -> list[Any]:
        """The inputs that this seed gives, on the device. The same seed always gives the same content."""

        def generate() -> list[Any]:
            _seed(seed, self.device)
            with torch.device(self.device):
                made = list(self._module.get_inputs())
            tensors: list[torch.Tensor] = []
            encoded = tree.flatten(made, tensors)
            return list(tree.unflatten(encoded, [tensor.to(self.device) for tensor in tensors]))

        return list(self._guard("get_inputs()", generate))

    def model(self, seed: int) -> torch.nn.Module:
        """The module as constructed after this seed, with its inputs' device."""
        built = self._guard("Model(...)", lambda: construct(self._module.Model, self.init, seed, self.device))
        assert isinstance(built, torch.nn.Module)
        return built

    def run(self, model: torch.nn.Module, inputs: list[Any]) -> tuple[Any, list[torch.Tensor]]:
        """One forward: the encoded structure of the result, and its tensors."""

        def forward() -> tuple[Any, list[torch.Tensor]]:
            with torch.no_grad():
                tensors: list[torch.Tensor] = []
                structure = tree.flatten(model(*inputs), tensors)
            return structure, tensors

        structure, tensors = self._guard("Model.forward", forward)
        return structure, tensors

    def _encode_init(self, arguments: Any) -> Any:
        tensors: list[torch.Tensor] = []
        encoded = tree.flatten(arguments if isinstance(arguments, dict) else list(arguments), tensors)
        if tensors:
            raise UsageError(f"get_init_inputs() of {self._where} returns tensors", "Return plain values only.")
        tree.unflatten(encoded, [])
        return encoded

    def _guard(self, what: str, call: Callable[[], Any]) -> Any:
        """Turn whatever the person's reference raises into a sentence: it is their code, run on their behalf."""
        try:
            return call()
        except UsageError:
            raise
        except torch.cuda.OutOfMemoryError as error:
            raise UsageError(
                f"{what} of {self._where} needs more GPU memory than there is", "Use smaller sizes."
            ) from error
        except Exception as error:
            raise UsageError(f"{what} of {self._where} failed: {type(error).__name__}: {error}"[:800]) from error


def _seed(seed: int, device: str) -> None:
    """Seed the generators that a reference file may use: those of torch, of numpy and of the standard library.

    As `torch.manual_seed`, which looks for every kind of device each time: a ring has hundreds of slots to fill.
    """
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    if device == "cuda":
        torch.cuda.manual_seed(seed)


def at(task: Task, sizes: dict[str, int], device: str) -> Reference:
    """A task's reference with some of its sizes (evaluator.shrink) changed.

    Raises:
        UsageError: it does not run at such sizes.
    """
    reference = Reference(override_integers(task.reference, sizes), str(task.path), device)
    reference.sizes = sizes
    return reference


def double(model: torch.nn.Module, inputs: list[Any]) -> tuple[torch.nn.Module, list[Any]]:
    """Copies of the module and its inputs with every floating-point tensor in float64."""
    tensors: list[torch.Tensor] = []
    encoded = tree.flatten(inputs, tensors)
    widened = [tensor.double() if tensor.is_floating_point() else tensor for tensor in tensors]
    return copy.deepcopy(model).double(), list(tree.unflatten(encoded, widened))


def true_size_specs(reference: Reference, seed: int) -> tuple[Any, list[TensorSpec]]:
    """Encoded inputs and tensor specs at the reference's sizes, without their memory where possible."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    try:
        with FakeTensorMode():
            inputs = reference.inputs(seed)
            tensors: list[torch.Tensor] = []
            encoded = tree.flatten(inputs, tensors)
            return encoded, [TensorSpec.of(tensor) for tensor in tensors]
    except UsageError:  # generated by something that has no fake form (numpy, a loop over values)
        tensors = []
        encoded = tree.flatten(reference.inputs(seed), tensors)
        return encoded, [TensorSpec.of(tensor) for tensor in tensors]
