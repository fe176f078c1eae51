"""Corrections to Triton's interpreter, so that what it computes is what the compiled kernel would.

Call `install` after TRITON_INTERPRET=1 was set and triton was imported, and before the candidate is imported.

Wrong in Triton's own (3.6 to 3.9), and corrected here: arithmetic, comparison and dot of bfloat16 work on raw bits;
float32 to bfloat16 truncates; libdevice functions return None; fp32 dots ignore TF32; autotuners need a GPU; float and
boolean arguments are not typed as a launch types them, nor are loop variables; grids may not be lists; an access out of
the tensors that were passed corrupts or kills the process. And too slow there: reductions with a function of one's own.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import triton
import triton.language as tl
from triton.runtime import interpreter as machine
from triton.runtime.autotuner import Autotuner
from triton.runtime.errors import InterpreterError

from evaluator.inside import interpreted_loops, interpreted_numbers, interpreted_reductions, stub_driver
from evaluator.inside.device import Device
from evaluator.inside.interpreted_numbers import NotInterpretable
from evaluator.inside.memory_bounds import Bounds, OutOfBounds
from evaluator.inside.stores import Stores

__all__ = ["NotInterpretable", "OutOfBounds", "choose", "install", "noting_stores"]

Handle = machine.TensorHandle
Builder = machine.InterpreterBuilder


class _State:
    """What the interpreter is doing at the moment."""

    bounds: Bounds | None = None  # of the launch that is running; None outside of launches
    patched = False  # the language is patched for a launch
    kernel = ""  # that is running
    stores: Stores | None = None  # where stores are noted
    config = 0  # which configuration autotuners take


def install(device: Device) -> None:
    """Correct the interpreter in this process, and answer Triton's questions about the device with `device`."""
    if not triton.knobs.runtime.interpret:
        raise RuntimeError("TRITON_INTERPRET=1 must be set before triton is imported")
    stub_driver.activate(device)
    interpreted_numbers.install()
    interpreted_reductions.install()
    interpreted_loops.install()
    _install_bounds()
    _install_launch()


def choose(config: int) -> None:
    """Let every autotuner take configuration number `config` (modulo how many it has); the first by default."""
    _State.config = config


@contextmanager
def noting_stores() -> Iterator[Stores]:
    """Note what each program writes in the block."""
    _State.stores = Stores()
    try:
        yield _State.stores
    finally:
        _State.stores = None


def _install_bounds() -> None:
    load, store = Builder.create_masked_load, Builder.create_masked_store
    rmw, cas = Builder.create_atomic_rmw, Builder.create_atomic_cas
    to_pointer = Builder.create_int_to_ptr

    def create_masked_load(self: Any, pointers: Any, mask: Any, *rest: Any, **options: Any) -> Any:
        _check(pointers, mask, "load")
        return load(self, pointers, mask, *rest, **options)

    def create_masked_store(self: Any, pointers: Any, value: Any, mask: Any, *rest: Any, **options: Any) -> Any:
        _check(pointers, mask, "store")
        _note(self, pointers, mask)
        return store(self, pointers, value, mask, *rest, **options)

    def create_atomic_rmw(self: Any, operation: Any, pointers: Any, value: Any, mask: Any, *rest: Any) -> Any:
        _check(pointers, mask, "atomic")
        _note(self, pointers, mask)
        if value.dtype.scalar == tl.bfloat16:
            raise NotInterpretable("atomics of bfloat16 are not interpreted")
        return rmw(self, operation, pointers, value, mask, *rest)

    def create_atomic_cas(self: Any, pointers: Any, *rest: Any) -> Any:
        _check(pointers, None, "atomic")
        _note(self, pointers, None)
        return cas(self, pointers, *rest)

    def create_int_to_ptr(self: Any, source: Any, target: Any) -> Any:
        _State.bounds = None  # addresses made of integers can't be traced to a tensor
        return to_pointer(self, source, target)

    for method in (create_masked_load, create_masked_store, create_atomic_rmw, create_atomic_cas, create_int_to_ptr):
        setattr(Builder, method.__name__, method)


def _check(pointers: Any, mask: Any, access: str) -> None:
    if _State.bounds is not None:
        bits = pointers.get_element_ty().primitive_bitwidth
        _State.bounds.check(pointers.data, None if mask is None else mask.data, max(1, bits // 8), access)


def _note(builder: Any, pointers: Any, mask: Any) -> None:
    if _State.stores is not None:
        program, grid = tuple(map(int, builder.grid_idx)), tuple(map(int, builder.grid_dim))
        _State.stores.add(_State.kernel, program, grid, pointers.data, None if mask is None else mask.data)


def _install_launch() -> None:
    run, to_tensor, patch_language = machine.InterpretedFunction.run, machine._implicit_cvt, machine._patch_lang

    def launch(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        if warmup:
            return None
        named = {name: value for name, value in kwargs.items() if name in self.arg_names}
        arguments = inspect.getcallargs(self.fn, *args, **named)
        sizes = tuple(int(size) for size in (grid(arguments) if callable(grid) else grid))
        with _launching(self.fn, arguments, patch_language):
            return run(self, *args, grid=sizes, warmup=False, **named)

    def implicit_cvt(argument: Any) -> Any:
        if isinstance(argument, bool):
            return tl.tensor(Handle(np.array([argument], dtype=np.bool_), tl.int1), tl.int1)
        if isinstance(argument, float):
            return tl.tensor(Handle(np.array([argument], dtype=np.float32), tl.float32), tl.float32)
        return to_tensor(argument)

    def patch_once(function: Any) -> Any:
        # A launch patches the whole language; doing it again at each call of a jitted function costs most of the time.
        return machine._LangPatchScope() if _State.patched else patch_language(function)

    def arguments_on_host(self: Any, args: Any, kwargs: Any) -> Any:
        return args, kwargs  # where they were; Triton makes new tensors of the same memory

    def tune(self: Autotuner, *args: Any, **kwargs: Any) -> Any:
        return _run_chosen(self, args, kwargs)

    machine.InterpretedFunction.run = launch
    machine._implicit_cvt = implicit_cvt
    machine._patch_lang = patch_once
    machine.GridExecutor._init_args_hst = arguments_on_host
    machine.GridExecutor._restore_args_dev = lambda self, *args: None
    Autotuner.run = tune


@contextmanager
def _launching(function: Any, arguments: dict[str, Any], patch_language: Callable[..., Any]) -> Iterator[None]:
    everything = SimpleNamespace(__globals__={**function.__globals__, "_language": tl, "_core": tl.core})
    outer = (_State.bounds, _State.patched, _State.kernel)
    scope = patch_language(everything)
    # Triton 3.6 asks numpy for int(array), which numpy 2.4 refuses unless the array has no dimensions.
    scope.set_attr(tl.tensor, "__index__", lambda tensor: int(tensor.handle.data.squeeze()))
    for language in (tl, tl.core):
        scope.set_attr(language, "range", interpreted_loops.indices)
    _State.bounds, _State.patched, _State.kernel = Bounds.of(arguments.values()), True, function.__name__
    try:
        with np.errstate(all="ignore"):
            yield
    except InterpreterError as error:
        raise _explain(error) from error
    finally:
        _State.bounds, _State.patched, _State.kernel = outer
        scope.restore()


def _explain(error: BaseException) -> BaseException:
    """The exception to show for what a kernel raised: a limit of ours, an illegal access, or the kernel's own error."""
    cause: BaseException | None = error
    last = error
    while cause is not None:
        last = cause
        if isinstance(cause, NotInterpretable | OutOfBounds):
            return cause
        if isinstance(cause, NotImplementedError):
            return NotInterpretable(str(cause) or "an operation of the kernel is not interpreted")
        if isinstance(cause, AttributeError) and "InterpreterBuilder" in str(cause):
            operation = re.sub(r".*attribute '(create_)?(\w+)'.*", r"\2", str(cause))
            return NotInterpretable(f"the operation {operation} is not interpreted")
        cause = cause.__cause__
    return InterpreterError(f"{type(last).__name__}: {last}")


def _run_chosen(tuner: Autotuner, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tuner.nargs = dict(zip(tuner.arg_names, args, strict=False))
    configs = tuner.prune_configs(kwargs) if len(tuner.configs) > 1 else tuner.configs
    config = configs[_State.config % len(configs)]
    everything = {**tuner.nargs, **kwargs, **config.all_kwargs()}
    tuner.pre_hook(everything, reset_only=True)
    if config.pre_hook is not None:
        config.pre_hook(everything)
    tuner.best_config = config
    return tuner.fn.run(*args, **kwargs, **config.all_kwargs())
