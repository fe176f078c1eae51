"""What a launch must move at least: the tensors that its code loads from and stores to, each once.

Which arguments are loaded from and stored to is read from Triton's own intermediate code (TTIR), where a pointer is
followed from the access back to the argument that it began as. A tensor that is both counts twice. What is not known
from this is how much of a tensor is touched: all of it is assumed.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

_NAME = r"%([\w.$-]+)"
_ARGUMENT = re.compile(rf"{_NAME}: !tt\.(?:ptr|tensordesc)")
_ASSIGNED = re.compile(rf"^{_NAME}(?::\d+)? = (.*)$")
_ITERATED = re.compile(rf"{_NAME} = {_NAME}")
_ACCESS = re.compile(r"\btt\.(?:experimental_)?(load|store|atomic_\w+|descriptor_\w+)\b")
_DOT = re.compile(r"\btt\.dot(_scaled)?\b")
_BASE_FIRST = re.compile(r"^tt\.(addptr|advance|splat|broadcast|make_tensor_ptr|make_tensor_descriptor|bitcast)\b")


@dataclass(frozen=True)
class Accesses:
    """Names of the pointer arguments that are loaded from and stored to, and whether matrices are multiplied."""

    loaded: frozenset[str]
    stored: frozenset[str]
    dots: bool


def read(ttir: str) -> Accesses | None:
    """The accesses of a kernel; None if a pointer leaves the code that is seen (a call that was not inlined)."""
    body = ttir.partition("tt.func public")[2]
    if not body or re.search(r"\btt\.(call|extern_elementwise|elementwise_inline_asm)\b.*!tt\.ptr", body):
        return None
    first, _, rest = body.partition("\n")
    arguments = set(_ARGUMENT.findall(first))
    origins = _origins(rest)
    loaded: set[str] = set()
    stored: set[str] = set()
    for line in rest.splitlines():
        access = _ACCESS.search(line)
        pointers = re.findall(_NAME, line[access.end() :]) if access else []
        if access is None or not pointers:
            continue
        reached = _follow(pointers[0], origins) & arguments
        what = access.group(1)
        if not what.endswith(("store", "scatter")):
            loaded |= reached
        if not what.endswith(("load", "gather")):
            stored |= reached
    return Accesses(frozenset(loaded), frozenset(stored), _DOT.search(rest) is not None)


def _origins(body: str) -> dict[str, set[str]]:
    """For every value the values that it may be made of, as far as a pointer may come from them."""
    origins: dict[str, set[str]] = {}
    regions: list[tuple[str, list[str]]] = []  # of a loop or a branch: its result, and what it carries round
    closed: tuple[str, list[str]] = ("", [])
    for line in map(str.strip, body.splitlines()):
        if line.startswith("}") and regions:
            closed = regions.pop()
        assigned = _ASSIGNED.match(line)
        result, code = (assigned.group(1), assigned.group(2)) if assigned else ("", line)
        carried = _ITERATED.findall(code) if code.startswith("scf.for") else []
        for name, initial in carried[1:]:  # the first is the loop's counter
            origins.setdefault(name, set()).add(initial)
        if line.endswith("{"):
            regions.append(closed if line.startswith("}") else (result, [name for name, _ in carried[1:]]))
        if code.startswith("scf.yield") and regions:
            target, names = regions[-1]
            values = re.findall(_NAME, code)
            origins.setdefault(target, set()).update(values)
            for name, value in zip(names, values, strict=False):
                origins.setdefault(name, set()).add(value)
        elif result and not _ACCESS.match(code):
            operands = [] if code.startswith("scf.") else re.findall(_NAME, code)
            base_only = operands[:1] if _BASE_FIRST.match(code) else operands
            origins.setdefault(result, set()).update(base_only)
    return origins


def _follow(name: str, origins: Mapping[str, Iterable[str]]) -> set[str]:
    """The value itself and all that it may be made of."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        value = waiting.pop()
        if value not in seen:
            seen.add(value)
            waiting += origins.get(value, ())
    return seen


def moved_bytes(arguments: Mapping[str, Any], accesses: Accesses) -> tuple[int, int]:
    """Bytes of the distinct tensors among a launch's arguments that it loads from, and that it stores to."""
    return _bytes(arguments, accesses.loaded), _bytes(arguments, accesses.stored)


def _bytes(arguments: Mapping[str, Any], names: Iterable[str]) -> int:
    views: dict[int, dict[tuple[int, int], int]] = {}  # storage -> view -> bytes
    capacity: dict[int, int] = {}
    for name in names:
        tensor = getattr(arguments.get(name), "base", None)  # a descriptor, or a view of another type
        tensor = tensor if isinstance(tensor, torch.Tensor) else arguments.get(name)
        if not isinstance(tensor, torch.Tensor):
            continue
        try:
            storage = tensor.untyped_storage()
        except (RuntimeError, NotImplementedError):  # a subclass without storage of its own
            continue
        distinct = math.prod(size for size, step in zip(tensor.shape, tensor.stride(), strict=True) if step or not size)
        view = (int(tensor.storage_offset()), distinct)
        views.setdefault(storage._cdata, {})[view] = distinct * tensor.element_size()
        capacity[storage._cdata] = storage.nbytes()
    return sum(min(sum(found.values()), capacity[storage]) for storage, found in views.items())
