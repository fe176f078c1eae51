"""Corrections to Triton's interpreter, so that what it computes is what the compiled kernel would.

Call `install` after TRITON_INTERPRET=1 was set and triton was imported, and before the candidate is imported.

Wrong in Triton's own (3.6 to 3.9), and corrected here: arithmetic, comparison and dot of bfloat16 work on raw bits;
float32 to bfloat16 truncates; libdevice functions return None; fp32 dots ignore TF32; autotuners need a GPU; float and
boolean arguments are not typed as a launch types them; grids may not be lists; an access outside of the tensors that
were passed corrupts or kills the process.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice
from triton.language.extra.cuda import libdevice as cuda_libdevice
from triton.runtime import interpreter as machine
from triton.runtime.autotuner import Autotuner
from triton.runtime.errors import InterpreterError

from evaluator.inside import cuda_math, stub_driver
from evaluator.inside import number_formats as formats
from evaluator.inside.device import Device
from evaluator.inside.memory_bounds import Bounds, OutOfBounds

Handle = machine.TensorHandle
Builder = machine.InterpreterBuilder

_FLOAT8 = {tl.float8e4nv: torch.float8_e4m3fn, tl.float8e5: torch.float8_e5m2}
_BF16_OPERATIONS = re.compile(
    r"create_(f(add|sub|mul|div|rem|ma|cmp\w+)|precise_(divf|sqrt)|(min|max)(imum|num)f|clampf"
    r"|cos|sin|exp2?|log2?|r?sqrt|erf|floor|ceil)"
)


class NotInterpretable(Exception):
    """The candidate uses what can't be run without a GPU. The message says what."""


class _State:
    """What the interpreter is doing at the moment."""

    function = ""  # libdevice function that is being called
    bounds: Bounds | None = None  # of the launch that is running; None outside of launches
    patched = False  # the language is patched for a launch
    config = 0  # which configuration autotuners take


def install(device: Device) -> None:
    """Correct the interpreter in this process, and answer Triton's questions about the device with `device`."""
    if not triton.knobs.runtime.interpret:
        raise RuntimeError("TRITON_INTERPRET=1 must be set before triton is imported")
    stub_driver.activate(device)
    _install_formats()
    _install_dot()
    _install_libdevice()
    _install_bounds()
    _install_launch()


def choose(config: int) -> None:
    """Let every autotuner take configuration number `config` (modulo how many it has); the first by default."""
    _State.config = config


def _install_formats() -> None:
    for name, method in inspect.getmembers(Builder, callable):
        if _BF16_OPERATIONS.fullmatch(name):
            setattr(Builder, name, _through_float32(method))
    convert = Builder.create_fp_to_fp

    def cast(self: Any, source: Any, target: Any) -> Any:
        before, after = source.dtype.scalar, target.scalar
        if tl.bfloat16 in (before, after) and before != after:
            return _narrow(_widen(source, before), after)
        return Handle(source.data.astype(machine._get_np_dtype(target)), after)

    def create_fp_to_fp(self: Any, source: Any, target: Any, rounding: Any) -> Any:
        before, after = source.dtype.scalar, target.scalar
        if not _supported(before) or not _supported(after):
            return convert(self, source, target, rounding)
        truncate = rounding is not None and rounding == machine._ir.ROUNDING_MODE.RTZ
        if truncate and after != tl.bfloat16:
            raise NotInterpretable(f"rounding towards zero to {after} is not interpreted")
        return _narrow(_widen(source, before), after, truncate)

    Builder.cast_impl = cast
    Builder.create_fp_to_fp = create_fp_to_fp
    Builder.get_bf16 = lambda self, value: Handle(formats.f32_to_bf16(np.array([value], np.float32)), tl.bfloat16)
    Builder.create_erf = lambda self, x: Handle(
        np.asarray(cuda_math.compute("erf", [x.data], x.data.dtype)), x.dtype.scalar
    )


def _supported(dtype: Any) -> bool:
    return dtype in _FLOAT8 or dtype in (tl.bfloat16, tl.float16, tl.float32, tl.float64)


def _widen(handle: Any, dtype: Any) -> Any:
    """The values of a handle as a numpy array of a type that numpy has."""
    if dtype == tl.bfloat16:
        return formats.bf16_to_f32(handle.data)
    return formats.f8_to_f32(handle.data, _FLOAT8[dtype]) if dtype in _FLOAT8 else handle.data


def _narrow(values: Any, dtype: Any, truncate: bool = False) -> Any:
    if dtype == tl.bfloat16:
        return Handle(formats.f32_to_bf16(values.astype(np.float32), truncate), dtype)
    if dtype in _FLOAT8:
        return Handle(formats.f32_to_f8(values, _FLOAT8[dtype]), dtype)
    return Handle(values.astype(machine._get_np_dtype(dtype)), dtype)


def _is_bf16(value: Any) -> bool:
    return isinstance(value, Handle) and value.dtype.scalar == tl.bfloat16


def _through_float32(method: Callable[..., Any]) -> Callable[..., Any]:
    """An operation of the builder that computes on bfloat16 in float32 and rounds its result once."""

    def operate(self: Any, *args: Any) -> Any:
        if not any(_is_bf16(arg) for arg in args):
            return method(self, *args)
        wide = [Handle(formats.bf16_to_f32(arg.data), tl.float32) if _is_bf16(arg) else arg for arg in args]
        result = method(self, *wide)
        return result if result.data.dtype == np.bool_ else _narrow(result.data, tl.bfloat16)

    return operate


def _install_dot() -> None:
    dot = Builder.create_dot
    rounds_itself = hasattr(machine, "_round_f32_to_tf32")  # since Triton 3.9

    def create_dot(self: Any, a: Any, b: Any, accumulator: Any, precision: Any, *rest: Any) -> Any:
        tf32 = precision == machine._ir.INPUT_PRECISION.TF32 and not rounds_itself

        def operand(handle: Any) -> Any:
            dtype = handle.dtype.scalar
            if dtype == tl.bfloat16 or dtype in _FLOAT8:
                return Handle(_widen(handle, dtype), tl.float32)
            if dtype == tl.float32 and tf32:
                return Handle(formats.f32_to_tf32(handle.data), dtype)
            return handle

        total = Handle(_widen(accumulator, accumulator.dtype.scalar), tl.float32) if _is_bf16(accumulator) else None
        result = dot(self, operand(a), operand(b), total or accumulator, precision, *rest)
        return _narrow(result.data, tl.bfloat16) if total is not None else result

    Builder.create_dot = create_dot


def _install_libdevice() -> None:
    """Give libdevice's names the CUDA functions, whose types are checked as in a compilation, with our arithmetic."""

    def bind(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            _State.function, outer = name, _State.function
            try:
                return function(*args, **{**kwargs, "_semantic": machine.interpreter_semantic})
            finally:
                _State.function = outer

        return call

    for name, function in inspect.getmembers(cuda_libdevice, tl.core.is_builtin):
        call = bind(name, function)
        setattr(cuda_libdevice, name, call)
        setattr(libdevice, name, call)

    def create_extern_elementwise(
        self: Any, library: str, path: str, symbol: str, arguments: list[Any], result: Any, pure: bool
    ) -> Any:
        arrays = np.broadcast_arrays(*[argument.data for argument in arguments])
        values = None
        if _State.function:
            values = cuda_math.compute(_State.function, list(arrays), machine._get_np_dtype(result.scalar))
        if values is None:
            raise NotInterpretable(f"the function {symbol} is not interpreted")
        return Handle(values, result.scalar)

    Builder.create_extern_elementwise = create_extern_elementwise


def _install_bounds() -> None:
    load, store = Builder.create_masked_load, Builder.create_masked_store
    rmw, cas = Builder.create_atomic_rmw, Builder.create_atomic_cas
    to_pointer = Builder.create_int_to_ptr

    def create_masked_load(self: Any, pointers: Any, mask: Any, *rest: Any) -> Any:
        _check(pointers, mask, "load")
        return load(self, pointers, mask, *rest)

    def create_masked_store(self: Any, pointers: Any, value: Any, mask: Any, *rest: Any) -> Any:
        _check(pointers, mask, "store")
        return store(self, pointers, value, mask, *rest)

    def create_atomic_rmw(self: Any, operation: Any, pointers: Any, value: Any, mask: Any, *rest: Any) -> Any:
        _check(pointers, mask, "atomic")
        if _is_bf16(value):
            raise NotInterpretable("atomics of bfloat16 are not interpreted")
        return rmw(self, operation, pointers, value, mask, *rest)

    def create_atomic_cas(self: Any, pointers: Any, *rest: Any) -> Any:
        _check(pointers, None, "atomic")
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

    def tune(self: Autotuner, *args: Any, **kwargs: Any) -> Any:
        return _run_chosen(self, args, kwargs)

    machine.InterpretedFunction.run = launch
    machine._implicit_cvt = implicit_cvt
    machine._patch_lang = patch_once
    Autotuner.run = tune


@contextmanager
def _launching(function: Any, arguments: dict[str, Any], patch_language: Callable[..., Any]) -> Iterator[None]:
    everything = SimpleNamespace(__globals__={**function.__globals__, "_language": tl, "_core": tl.core})
    outer = (_State.bounds, _State.patched)
    scope = patch_language(everything)
    _State.bounds, _State.patched = Bounds.of(arguments.values()), True
    try:
        with np.errstate(all="ignore"):
            yield
    except InterpreterError as error:
        raise _explain(error) from error
    finally:
        _State.bounds, _State.patched = outer
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
