"""The functions of CUDA's libdevice in numpy and torch, by the names that Triton gives them.

Arguments and results are arrays; single precision is computed in double precision and rounded once, which is closer to
the true value than the GPU's own 1 to 4 ulp. Names that aren't here (directed rounding, rare special functions) are
reported as not interpretable by the caller.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from evaluator.inside.operators import suspended

Array = npt.NDArray[Any]
Function = Callable[..., Any]

_CONVERSION = re.compile(r"(?:float|double|int|uint|ll|ull)2(?:float|double|int|uint|ll|ull)(?:_(rn|rz|rd|ru))?")
_ROUNDING: dict[str, Function] = {"rn": np.rint, "rz": np.trunc, "rd": np.floor, "ru": np.ceil}


def compute(name: str, arrays: list[Array], result: np.dtype[Any]) -> Array | None:
    """libdevice's `name` of broadcast `arrays`, as dtype `result`; None if it is not known here."""
    if re.search(r"_as_|double_as|longlong_as", name):
        return np.ascontiguousarray(arrays[0]).view(result)
    if (match := _CONVERSION.fullmatch(name)) and (result.kind in "iu" or name.endswith(("_rn", "2double"))):
        value = arrays[0] if arrays[0].dtype.kind in "iu" else _ROUNDING[match.group(1) or "rn"](arrays[0])
        return value.astype(result) if result.kind == "f" else _saturate(value, result)
    function = _FUNCTIONS.get(name.removeprefix("fast_").removesuffix("f")) if name.startswith("fast_") else None
    function = function or _FUNCTIONS.get(name)
    if function is None:
        return None
    wide = [array.astype(np.float64) if array.dtype.kind == "f" else array for array in arrays]
    return np.asarray(function(*wide)).astype(result)


def _saturate(value: Array, result: np.dtype[Any]) -> Array:
    """CUDA's conversions to integers clamp, and turn NaN into 0."""
    if value.dtype.kind in "iu":
        return value.astype(result)
    limits = np.iinfo(result)
    clean = np.nan_to_num(value.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
    inside = np.clip(clean, float(limits.min), np.nextafter(float(limits.max) + 1, 0))
    return np.where(clean > limits.max, limits.max, inside.astype(result)).astype(result)


def _special(function: Callable[..., torch.Tensor]) -> Function:
    @suspended()
    def call(*arrays: Array) -> Array:
        tensors = [torch.from_numpy(np.array(array, dtype=np.float64)) for array in arrays]
        answer: Array = function(*tensors).numpy()
        return answer

    return call


def _round_away(x: Array) -> Array:
    """C's round: halves go away from zero, unlike numpy's."""
    return np.asarray(np.trunc(x + np.copysign(0.5, x)))


def _power(x: Array, y: Array) -> Array:
    return np.asarray(np.power(x, y.astype(np.float64)))


def _count_bits(x: Array) -> Array:
    return np.asarray(np.bitwise_count(_unsigned(x)))


def _leading_zeros(x: Array) -> Array:
    bits = x.dtype.itemsize * 8
    values = _unsigned(x)
    return np.array([bits - int(value).bit_length() for value in values.ravel()]).reshape(values.shape)


def _first_set(x: Array) -> Array:
    values = _unsigned(x)
    return np.array([(int(value) & -int(value)).bit_length() for value in values.ravel()]).reshape(values.shape)


def _reverse_bits(x: Array) -> Array:
    bits = x.dtype.itemsize * 8
    values = _unsigned(x)
    reverse = [int(format(int(value), f"0{bits}b")[::-1], 2) for value in values.ravel()]
    return np.array(reverse, dtype=values.dtype).reshape(values.shape)


def _unsigned(x: Array) -> Array:
    return np.ascontiguousarray(x).view(np.dtype(f"u{x.dtype.itemsize}"))


def _multiply_high(x: Array, y: Array) -> Array:
    shift = x.dtype.itemsize * 8
    products = [(int(a) * int(b)) >> shift for a, b in zip(x.ravel(), y.ravel(), strict=True)]
    return np.array(products, dtype=x.dtype).reshape(x.shape)


def _erfcx(x: torch.Tensor) -> torch.Tensor:
    return torch.special.erfcx(x)


_FUNCTIONS: dict[str, Function] = {
    "abs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
    "nearbyint": np.rint,
    "llrint": np.rint,
    "round": _round_away,
    "llround": _round_away,
    "saturate": lambda x: np.clip(np.nan_to_num(x, nan=0.0), 0.0, 1.0),
    "saturatef": lambda x: np.clip(np.nan_to_num(x, nan=0.0), 0.0, 1.0),
    "sqrt": np.sqrt,
    "sqrt_rn": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "rsqrt_rn": lambda x: 1.0 / np.sqrt(x),
    "rcp_rn": lambda x: 1.0 / x,
    "cbrt": np.cbrt,
    "rcbrt": lambda x: 1.0 / np.cbrt(x),
    "exp": np.exp,
    "exp2": np.exp2,
    "exp10": lambda x: np.power(10.0, x),
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "logb": lambda x: np.frexp(x)[1] - 1.0,
    "ilogb": lambda x: np.frexp(x)[1] - 1,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinpi": lambda x: np.sin(np.pi * x),
    "cospi": lambda x: np.cos(np.pi * x),
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": _special(torch.special.erf),
    "erfc": _special(torch.special.erfc),
    "erfinv": _special(torch.special.erfinv),
    "erfcinv": _special(lambda x: torch.special.erfinv(1.0 - x)),
    "erfcx": _special(_erfcx),
    "normcdf": _special(torch.special.ndtr),
    "normcdfinv": _special(torch.special.ndtri),
    "lgamma": _special(torch.lgamma),
    "tgamma": _special(lambda x: torch.exp(torch.lgamma(x)) * (1.0 - 2.0 * ((x < 0) & (torch.floor(x) % 2 != 0)))),
    "cyl_bessel_i0": _special(torch.special.i0),
    "cyl_bessel_i1": _special(torch.special.i1),
    "j0": _special(torch.special.bessel_j0),
    "j1": _special(torch.special.bessel_j1),
    "y0": _special(torch.special.bessel_y0),
    "y1": _special(torch.special.bessel_y1),
    "pow": _power,
    "hypot": np.hypot,
    "rhypot": lambda x, y: 1.0 / np.hypot(x, y),
    "norm3d": lambda x, y, z: np.sqrt(x * x + y * y + z * z),
    "rnorm3d": lambda x, y, z: 1.0 / np.sqrt(x * x + y * y + z * z),
    "norm4d": lambda x, y, z, w: np.sqrt(x * x + y * y + z * z + w * w),
    "rnorm4d": lambda x, y, z, w: 1.0 / np.sqrt(x * x + y * y + z * z + w * w),
    "fma": lambda x, y, z: x * y + z,
    "fma_rn": lambda x, y, z: x * y + z,
    "add_rn": np.add,
    "sub_rn": np.subtract,
    "mul_rn": np.multiply,
    "div_rn": np.divide,
    "divide": np.divide,
    "fmod": np.fmod,
    "remainder": lambda x, y: x - y * np.rint(x / y),
    "fdim": lambda x, y: np.maximum(x - y, 0.0),
    "copysign": np.copysign,
    "ldexp": np.ldexp,
    "scalbn": np.ldexp,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "finitef": np.isfinite,
    "isfinited": np.isfinite,
    "signbit": np.signbit,
    "popc": _count_bits,
    "clz": _leading_zeros,
    "ffs": _first_set,
    "brev": _reverse_bits,
    "mulhi": _multiply_high,
    "mul24": np.multiply,
    "hadd": lambda x, y: (x.astype(np.int64) + y.astype(np.int64)) >> 1,
    "rhadd": lambda x, y: (x.astype(np.int64) + y.astype(np.int64) + 1) >> 1,
    "sad": lambda x, y, z: np.abs(x.astype(np.int64) - y.astype(np.int64)) + z,
}
