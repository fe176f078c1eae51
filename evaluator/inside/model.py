"""The candidate's module inside the worker: built from source, given the oracle's weights, run on the oracle's inputs.

Everything reported from here is a claim of an untrusted process.
"""

import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from evaluator.inside import tree
from evaluator.inside.memory import Loans


class BadSource(Exception):
    """The source can't be turned into a module of the expected form."""


def source_folder() -> Path:
    """Where the candidate's source lies while it runs: its trace names lines of files in there."""
    return Path(tempfile.gettempdir(), "source")


def import_source(source: str, name: str = "candidate") -> ModuleType:
    """Import `source` as a module with a file of its own: Triton reads a kernel's text from its file."""
    folder = source_folder()
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadSource(f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def find_class(module: ModuleType, name: str) -> type[torch.nn.Module]:
    """The module's class of this name.

    Raises:
        BadSource: it is missing, or no torch.nn.Module.
    """
    found = getattr(module, name, None)
    if not isinstance(found, type) or not issubclass(found, torch.nn.Module):
        raise BadSource(f"class {name} is missing or no torch.nn.Module")
    return found


def set_precision(precision: dict[str, Any]) -> None:
    """Apply the task's global numeric switches (`evaluator.tasks.Precision`)."""
    torch.backends.cudnn.allow_tf32 = precision["cudnn_allow_tf32"]
    torch.backends.cudnn.benchmark = precision["cudnn_benchmark"]
    torch.set_float32_matmul_precision(precision["float32_matmul"])


def flags() -> dict[str, str]:
    """Global switches that change how torch computes, as they are now."""
    return {
        "cudnn.allow_tf32": str(torch.backends.cudnn.allow_tf32),
        "cudnn.benchmark": str(torch.backends.cudnn.benchmark),
        "cudnn.deterministic": str(torch.backends.cudnn.deterministic),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "fp16_reduced_precision_reduction": str(torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction),
        "default_dtype": str(torch.get_default_dtype()),
        "deterministic_algorithms": str(torch.are_deterministic_algorithms_enabled()),
        "grad_mode": str(torch.is_grad_enabled()),
    }


def construct(model_class: type[torch.nn.Module], init: Any, seed: int, device: str) -> torch.nn.Module:
    """Build a module from encoded constructor arguments: the same seed on the same device gives the same weights."""
    arguments = tree.unflatten(init, [])
    torch.manual_seed(seed)
    with torch.device(device):
        model = model_class(**arguments) if isinstance(arguments, dict) else model_class(*arguments)
    if all(tensor.device.type == device for tensor in (*model.parameters(), *model.buffers())):
        return model  # torch can't move fake parameters, not even to where they are
    return model.to(device)


def named_tensors(model: torch.nn.Module) -> Iterator[tuple[str, str, torch.Tensor]]:
    """(kind, name, tensor) of every parameter and every buffer that is part of the state, in registration order."""
    for name, parameter in model.named_parameters():
        yield "parameter", name, parameter.data
    state = set(model.state_dict().keys())
    for name, buffer in model.named_buffers():
        if name in state:
            yield "buffer", name, buffer


class Session:
    """One module of the candidate (or the reference), its weights and the inputs it was last given."""

    def __init__(self, module: ModuleType, message: dict[str, Any], device: str, loans: Loans) -> None:
        set_precision(message["precision"])
        model_class = find_class(module, message["class"])
        self.module = module
        self.device = device
        self._loans = loans
        self.model = construct(model_class, message["init"], message["seed"], device)
        self._run: Any = self.model
        if message.get("compile"):
            self._run = torch.compile(self.model)
        self._inputs: list[Any] = []
        self._inputs_key = ""

    def parameters(self) -> list[dict[str, Any]]:
        """What there is to be given: kind, name, shape and dtype."""
        return [
            {"kind": kind, "name": name, "shape": list(tensor.shape), "dtype": tree.dtype_name(tensor.dtype)}
            for kind, name, tensor in named_tensors(self.model)
        ]

    def take_weights(self, places: dict[str, dict[str, Any]]) -> None:
        """Copy lent weights into the module's tensors, by the module's own names."""
        for _, name, tensor in named_tensors(self.model):
            if name in places:
                tensor.copy_(self._loans.tensor(places[name]))

    def give_buffers(self, places: dict[str, dict[str, Any]]) -> None:
        """Copy the module's buffers, as they are after its calls, into lent memory."""
        for kind, name, tensor in named_tensors(self.model):
            if kind == "buffer" and name in places:
                self._loans.tensor(places[name]).copy_(tensor)

    @property
    def inputs(self) -> list[Any]:
        """The arguments of `forward`."""
        return self._inputs

    def set_inputs(self, encoded: Any, places: list[dict[str, Any]]) -> None:
        """Make the lent inputs the arguments of the following calls."""
        self._inputs = self.arguments(encoded, places)

    def arguments(self, encoded: Any, places: list[dict[str, Any]]) -> list[Any]:
        """The lent inputs at `places` as arguments of a call."""
        return list(tree.unflatten(encoded, [self._loans.argument(place) for place in places]))

    def forward(self) -> Any:
        """One call on the current inputs."""
        return self.call(self._inputs)

    def call(self, arguments: list[Any]) -> Any:
        """One call on these arguments; whatever its result does when it is looked at is part of it."""
        with torch.no_grad():
            return tree.plain(self._run(*arguments))

    def deliver(self, value: Any, places: list[dict[str, Any]]) -> dict[str, Any]:
        """Copy outputs into the oracle's receiving buffers where shape and dtype fit; says what the outputs were."""
        tensors: list[torch.Tensor] = []
        structure = tree.flatten(value, tensors)
        claims = [
            {"shape": list(tensor.shape), "dtype": tree.dtype_name(tensor.dtype), "device": tensor.device.type}
            for tensor in tensors
        ]
        for target, source in self.fitting(tensors, [self._loans.tensor(place) for place in places]):
            target.copy_(source)
        if self.device == "cuda":
            torch.cuda.synchronize()
        return {"structure": structure, "outputs": claims}

    def receivers(self, places: list[dict[str, Any]]) -> list[torch.Tensor]:
        """Where on the device to put outputs for the oracle's buffers at `places`; `send` brings them there."""
        return [self._loans.here(place) for place in places]

    def send(self, numbers: set[int]) -> None:
        """Bring what was put into the receivers of these buffers to the oracle."""
        self._loans.send(numbers)

    def fitting(self, value: Any, targets: list[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Receiving buffer and output, for every output whose shape and dtype are those of its buffer."""
        tensors: list[torch.Tensor] = []
        tree.flatten(value, tensors)
        return [
            (to, of) for to, of in zip(targets, tensors, strict=False) if (to.shape, to.dtype) == (of.shape, of.dtype)
        ]
