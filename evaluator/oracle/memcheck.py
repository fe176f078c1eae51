"""compute-sanitizer's memcheck: where it is, how it is called, and what its reports say."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evaluator.oracle import tools

ENVIRONMENT = {"LC_ALL": "C", "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
"""Messages in English; every tensor an allocation of its own, since only its bounds are known to memcheck."""

SUMMARY = "ERROR SUMMARY"
"""What it prints last, if it came so far."""

_PLACE = Path("/usr/local/cuda/bin/compute-sanitizer")
_HEAD = re.compile(r"^=+ ((?:Invalid|Misaligned) \S+ (?:read|write|atomic)[^\n]*)$", re.MULTILINE)
_AT = re.compile(r"^=+\s+at (?:\S+ )?([A-Za-z_]\w*)(?:\([^\n]*\))?\+0x[0-9a-f]+(?: in (\S+:\d+))?", re.MULTILINE)
_OUTSIDE = re.compile(r"^=+\s+(Access (?:at|to) [^\n]*|and is [^\n]*)$", re.MULTILINE)


@dataclass(frozen=True)
class Access:
    """One report: what happened, in which kernel, at which line of its file, and where that lies."""

    what: str
    kernel: str
    line: int | None
    where: str

    def __str__(self) -> str:
        line = f" (line {self.line})" if self.line else ""
        return f"{self.what} in kernel {self.kernel}{line}{': ' if self.where else ''}{self.where}"


def find(configured: str) -> Path | None:
    """The program's path: as configured, or found for `auto`; None if there is none or it is not wanted."""
    return tools.find("compute-sanitizer", configured, [_PLACE])


def command(program: Path) -> tuple[str, ...]:
    """The words before the checked program's own."""
    return (str(program), "--tool", "memcheck", "--report-api-errors", "no", "--print-limit", "20")


def read(output: str, kernels: Iterable[str]) -> tuple[Access, ...]:
    """The reports about these kernels in what memcheck and the worker printed; each kernel and line once."""
    wanted, found = frozenset(kernels), dict[tuple[str, str, int | None], Access]()
    pieces = _HEAD.split(output)  # what came before, then each report's head and body
    for what, body in zip(pieces[1::2], pieces[2::2], strict=True):
        at_kernel = _AT.search(body)
        if at_kernel is None or at_kernel[1] not in wanted:
            continue
        line = int(at_kernel[2].rpartition(":")[2]) if at_kernel[2] else None
        where = " ".join(each.strip() for each in _OUTSIDE.findall(body)[:2])
        access = Access(what.strip(), at_kernel[1], line, where)
        found.setdefault((access.what, access.kernel, line), access)
    return tuple(found.values())
