"""Names, and the text of a result."""

import re

from candidates.inductor.merging import Unrewritable

_MODULES = ("torch", "nn", "triton", "tl", "math", "libdevice")
_SIZES = ("rows", "columns", "elements", "groups", "batches", "planes")
RESERVED = frozenset({*_MODULES, *_SIZES, "compiled", "ModelNew"})
"""Names that the candidate's function uses itself."""


def structured(structure: object, tensors: list[str]) -> str:
    """Python text for the result: its tensors in its structure.

    Raises:
        Unrewritable: the result holds something else than the tensors that the generated code returns.
    """
    count = _tensors(structure)
    if count != len(tensors):
        raise Unrewritable(f"the reference returns {count} tensors, and the generated code {len(tensors)}")
    return _built(structure, tensors)


def _built(part: object, tensors: list[str]) -> str:
    match part:
        case {"tensor": int(number)}:
            return tensors[number]
        case {"tuple": list(items)}:
            return f"({''.join(_built(item, tensors) + ', ' for item in items).rstrip()})"
        case {"list": list(items)}:
            return f"[{', '.join(_built(item, tensors) for item in items)}]"
        case {"dict": list(items)}:
            return "{" + ", ".join(f"{key!r}: {_built(item, tensors)}" for key, item in items) + "}"
        case {"value": value}:
            return repr(value)
    raise Unrewritable("the reference returns something else than tensors")


def _tensors(structure: object) -> int:
    if isinstance(structure, dict):
        return 1 if "tensor" in structure else sum(_tensors(value) for value in structure.values())
    return sum(_tensors(item) for item in structure) if isinstance(structure, list) else 0


def first_name(text: str) -> str:
    """The first name in an expression: `weight.t()` is weight."""
    match = re.search(r"(?:as_strided\()?(\w+)", text.removeprefix("torch."))
    return match.group(1) if match else "tensor"


def apart(names: list[str]) -> list[str]:
    """The names, those that come again with a number behind."""
    found: list[str] = []
    for name in names:
        found.append(free_name(name, set(found)))
    return found


def free_name(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken or free in RESERVED:
        free = f"{name}_{number}"
        number += 1
    return free
