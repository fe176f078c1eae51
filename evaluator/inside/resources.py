"""What a compiled kernel uses, read from what `ptxas -v` says, and what its source loads."""

import ast
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton.language as tl
from triton import knobs
from triton.runtime.jit import JITFunction

_USED = re.compile(r"Used (\d+) registers")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
_REDUCED = {
    "tf32": re.compile(r"\.tf32\b"),
    "f16": re.compile(r"\.f16(x2)?\b"),
    "bf16": re.compile(r"\.bf16(x2)?\b"),
    "f8": re.compile(r"\.e[45]m[23](x2)?\b"),
}
_POINTERS = {"f16": ("*fp16",), "bf16": ("*bf16",), "f8": ("*fp8",)}


@dataclass(frozen=True)
class Usage:
    """Registers per thread, and bytes per thread of spill stores plus loads. None where ptxas did not say."""

    registers: int | None
    spill_bytes: int | None


def read_log(log: str) -> Usage:
    """Usage from a `ptxas -v` log of one kernel; spills of functions that were not inlined are added up."""
    registers = [int(count) for count in _USED.findall(log)]
    spills = [int(stores) + int(loads) for stores, loads in _SPILLS.findall(log)]
    return Usage(max(registers) if registers else None, sum(spills) if spills else None)


def assemble(kernel: Any) -> Usage:
    """Assemble the PTX of a compiled kernel once more, for its log. The target is read from the PTX itself."""
    ptx = kernel.asm["ptx"]
    target = re.search(r"^\.target (sm_\w+)", ptx, re.MULTILINE)
    if target is None:
        return Usage(None, None)
    capability = int(re.sub(r"\D", "", target.group(1)))
    tool = knobs.nvidia.ptxas_blackwell if capability >= 100 else knobs.nvidia.ptxas
    fusion = [] if getattr(kernel.metadata, "enable_fp_fusion", True) else ["--fmad=false"]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(ptx)
        command = [tool.path, "-v", *fusion, f"--gpu-name={target.group(1)}", str(source), "-o", f"{source}.cubin"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    return read_log(run.stderr)


def reduced_formats(compiled: Any) -> list[str]:
    """Formats of less than 32 bits that a compiled kernel computes in, converts to or from, or has pointers to."""
    text = re.sub(r"//.*", "", compiled.asm.get("ptx", ""))
    found = {name for name, pattern in _REDUCED.items() if pattern.search(text)}
    signature = getattr(getattr(compiled, "src", None), "signature", None) or {}
    found |= {name for name, kinds in _POINTERS.items() if any(kind in str(signature) for kind in kinds)}
    return sorted(found)


def count_loads(function: JITFunction[Any]) -> int:
    """Distinct pointers, or descriptors and offsets, that `function` and the jitted functions it calls load from."""
    return len(_loads(function, set()))


def _loads(function: JITFunction[Any], seen: set[int]) -> set[tuple[str, str]]:
    if id(function) in seen:
        return set()
    seen.add(id(function))
    scope = function.__globals__
    found: set[tuple[str, str]] = set()
    for node in ast.walk(function.parse()):
        if not isinstance(node, ast.Call):
            continue
        callee = _resolve(node.func, scope)
        if callee is tl.load and (pointer := _pointer(node)) is not None:
            found.add((function.__name__, ast.unparse(pointer)))
        elif callee is None and isinstance(node.func, ast.Attribute) and node.func.attr == "load":
            found.add((function.__name__, ast.unparse(node)))  # a tensor descriptor's method
        elif isinstance(callee, JITFunction) and not callee.__module__.startswith("triton."):
            found |= _loads(callee, seen)
    return found


def _pointer(call: ast.Call) -> ast.expr | None:
    if call.args:
        return call.args[0]
    return next((keyword.value for keyword in call.keywords if keyword.arg == "pointer"), None)


def _resolve(node: ast.expr, scope: dict[str, Any]) -> Any:
    """The object that a dotted name in a kernel means; None for anything else."""
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _resolve(node.value, scope)
        return getattr(owner, node.attr, None) if owner is not None else None
    return None
