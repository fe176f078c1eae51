"""The numbers of Triton's interpreter: bfloat16, float8 and TF32 as a GPU computes them, and libdevice's functions."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.language.extra import libdevice
from triton.language.extra.cuda import libdevice as cuda_libdevice
from triton.runtime import interpreter as machine

from evaluator.inside import cuda_math
from evaluator.inside import number_formats as formats

Handle = machine.TensorHandle
Builder = machine.InterpreterBuilder

_FLOAT8 = {tl.float8e4nv: torch.float8_e4m3fn, tl.float8e5: torch.float8_e5m2}
_BF16_OPERATIONS = re.compile(
    r"create_(f(add|sub|mul|div|rem|ma|cmp\w+)|precise_(divf|sqrt)|(min|max)(imum|num)f|clampf"
    r"|cos|sin|exp2?|log2?|r?sqrt|erf|floor|ceil)"
)


class NotInterpretable(Exception):
    """The candidate uses what can't be run without a GPU. The message says what."""


class _Call:
    """The libdevice function that is being called; empty outside of such calls."""

    name = ""


def install() -> None:
    """Correct the interpreter's builder, and give libdevice's names a meaning, in this process."""
    _install_formats()
    _install_dot()
    _install_libdevice()


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

    def create_dot(self: Any, a: Any, b: Any, accumulator: Any, precision: Any, *rest: Any) -> Any:
        tf32 = precision == machine._ir.INPUT_PRECISION.TF32

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
            _Call.name, outer = name, _Call.name
            try:
                return function(*args, **{**kwargs, "_semantic": machine.interpreter_semantic})
            finally:
                _Call.name = outer

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
        if _Call.name:
            values = cuda_math.compute(_Call.name, list(arrays), machine._get_np_dtype(result.scalar))
        if values is None:
            raise NotInterpretable(f"the function {symbol} is not interpreted")
        return Handle(values, result.scalar)

    Builder.create_extern_elementwise = create_extern_elementwise
