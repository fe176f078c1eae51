"""Nested values as JSON: tensors become slots, the rest stays as it is.

Inputs, outputs and constructor arguments are lists, tuples and dicts of tensors and plain values. `flatten` takes the
tensors out and leaves their index; `unflatten` puts tensors back. A value that is neither is named by its type, so that
the receiver can say what it was.
"""

from collections.abc import Sequence
from typing import Any

import torch


def flatten(value: Any, tensors: list[torch.Tensor]) -> Any:
    """Encode `value` as JSON, appending the tensors met on the way to `tensors`."""
    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return {"tensor": len(tensors) - 1}
    if isinstance(value, dict):
        return {"dict": [[str(key), flatten(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [flatten(item, tensors) for item in value]}
    if isinstance(value, list | torch.Size):
        return {"list": [flatten(item, tensors) for item in value]}
    if isinstance(value, float):
        return {"float": value.hex()}  # keeps inf and nan, which JSON has not
    if value is None or isinstance(value, bool | int | str):
        return {"value": value}
    if isinstance(value, torch.dtype):
        return {"dtype": dtype_name(value)}
    return {"opaque": type(value).__name__}


def plain(value: Any) -> Any:
    """`value` in containers of Python's own: one of the candidate's could do its work when it is looked at."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, dict):
        return {key if type(key) in (str, int) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def unflatten(encoded: Any, tensors: Sequence[torch.Tensor]) -> Any:
    """Decode what `flatten` made.

    Raises:
        ValueError: a value of a type that can't cross the boundary, or a malformed encoding.
    """
    if not isinstance(encoded, dict) or len(encoded) != 1:
        raise ValueError("malformed value")
    ((kind, content),) = encoded.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "dict":
            return {key: unflatten(item, tensors) for key, item in content}
        case "tuple":
            return tuple(unflatten(item, tensors) for item in content)
        case "list":
            return [unflatten(item, tensors) for item in content]
        case "float":
            return float.fromhex(content)
        case "value":
            return content
        case "dtype":
            return dtype_of(content)
    raise ValueError(f"a value of type {content} can't be sent to a worker")


def only_tensors(encoded: Any) -> bool:
    """True if what `flatten` made holds tensors, in whatever containers, and no other values."""
    ((kind, content),) = encoded.items()
    if kind == "dict":
        return all(only_tensors(item) for _, item in content)
    if kind in ("tuple", "list"):
        return all(only_tensors(item) for item in content)
    return bool(kind == "tensor")


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` for torch.float32."""
    return str(dtype).removeprefix("torch.")


def dtype_of(name: str) -> torch.dtype:
    """torch.float32 for `float32`.

    Raises:
        ValueError: no such dtype.
    """
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"no dtype is called {name!r}")
    return dtype
