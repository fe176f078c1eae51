"""Ahead-of-time compilation of exactly what a candidate's forward launches, for a GPU that need not be there.

The model is built and called on fake tensors at the task's true sizes, so that gigabytes cost nothing and the
specialisations are those of the real call. What fake tensors can't run (control flow that depends on data, an operator
without a fake form) is run on real CPU tensors at the small sizes instead, and the answer says so.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from evaluator.inside import stub_driver
from evaluator.inside.capture import Launches, compiling
from evaluator.inside.cuda_names import CudaNames
from evaluator.inside.device import Device
from evaluator.inside.failures import CompileFailure, ForwardFailure
from evaluator.inside.operators import Operators
from evaluator.inside.tensors import empty_like, small_like

Model = Callable[..., torch.nn.Module]


@dataclass(frozen=True)
class Forward:
    """What one forward consisted of."""

    launches: Launches
    operators: dict[str, int]  # torch operator -> elements that it touches
    flops: dict[str, int]  # torch operator -> floating-point operations of contractions


def compile_candidate(
    model: Model,
    init_args: Sequence[Any],
    inputs: Sequence[Any],
    device: Device,
    small_init_args: Sequence[Any] | None = None,
    small_inputs: Sequence[Any] | None = None,
) -> dict[str, Any]:
    """Everything that `model(*init_args)(*inputs)` launches, compiled for `device`; nothing is launched.

    `inputs` holds TensorSpec (or real tensors) and plain values, at the true sizes; the small ones serve the fallback
    and may be left out. `model` must have been imported under CudaNames and the stub driver.

    Returns {"kernels": [facts...], "notes": [str...], "sizes": "true" | "small", "operators": {name: elements},
    "flops": {name: operations}}: the torch operators of the forward with what they touch, and what contractions do.
    Each distinct kernel, specialisation and tuning configuration is one entry: the fields of KernelFacts, `assumed`
    (False for the configurations of an autotuner after the first) and `config`.

    Raises:
        CompileFailure: a kernel does not compile.
        ForwardFailure: the forward fails for another reason, at the small sizes too if there are any.
    """
    stub_driver.activate(device)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), _modules_of_fake_tensors():
            return _answer(_forward(model, init_args, inputs, empty_like, device), "true", [])
    except ForwardFailure as failure:
        if small_inputs is None:
            raise
        note = f"compiled at the small sizes, because the forward can't be run on fake tensors: {failure}"
    smaller = init_args if small_init_args is None else small_init_args
    return _answer(_forward(model, smaller, small_inputs, small_like, device), "small", [note])


def _forward(
    model: Model, init_args: Sequence[Any], inputs: Sequence[Any], fill: Callable[[Any], Any], device: Device
) -> Forward:
    observed = Operators(None)
    with CudaNames(device), torch.no_grad(), compiling() as launches:
        try:
            instance = model(*fill(list(init_args)))
            launches.forget()
            arguments = fill(list(inputs))
            with observed.observing():
                instance(*arguments)
        except Exception as error:
            if launches.failures:
                raise launches.failures[-1] from error
            raise ForwardFailure(f"{type(error).__name__}: {error}") from error
    return Forward(launches, observed.elements, observed.flops)


@contextmanager
def _modules_of_fake_tensors() -> Iterator[None]:
    """Let `module.cuda()`, `.to(...)` and `.half()` work on fake parameters, which torch can't swap in place."""

    def convert(module: torch.nn.Module, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:
        for child in module.children() if recurse else ():
            convert(child, fn)
        for key, parameter in module._parameters.items():
            if parameter is not None and (converted := fn(parameter)) is not parameter:
                module._parameters[key] = torch.nn.Parameter(converted, parameter.requires_grad)
        for key, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[key] = fn(buffer)
        return module

    with patch.object(torch.nn.Module, "_apply", convert):
        yield


def _answer(forward: Forward, sizes: str, notes: list[str]) -> dict[str, Any]:
    launches = forward.launches
    answer = {"kernels": launches.facts(), "notes": [*notes, *launches.all_notes()], "sizes": sizes}
    return answer | {"operators": forward.operators, "flops": forward.flops}


def warm(device: Device) -> None:
    """Do once what the first compilation in a process does besides compiling: imports, backend start-up."""
    from evaluator.inside import warm_kernel

    spec = [warm_kernel.example()]
    compile_candidate(warm_kernel.Copy, (), spec, device)


__all__ = ["CompileFailure", "ForwardFailure", "compile_candidate", "warm"]
