"""What a sandbox is asked to be, and what this machine can make it."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Literal

from evaluator.status import REDUCED as REDUCED

Form = Literal["bubblewrap", "landlock"]
"""What a sandbox is made of: namespaces, or, as a fallback that isolates less, Landlock and a system call filter."""


@dataclass(frozen=True)
class Spec:
    """One program to run in a sandbox, everything it may see, and everything it may use.

    `read_only` files and folders appear inside under the same path; `devices` are device nodes such as /dev/nvidia0.
    `fds` are descriptors of the caller that the program gets under the same numbers. `memory_gb` is host memory in
    GiB (what lies in /tmp comes on top, `tmp_mb` MiB at most), `processes` counts threads too, as the kernel does, and
    `output_kb` is how many KiB of the end of stdout and stderr are kept.
    """

    argv: tuple[str, ...]
    read_only: tuple[Path, ...] = ()
    devices: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    fds: tuple[int, ...] = ()
    _: KW_ONLY
    memory_gb: float
    processes: int
    tmp_mb: int
    output_kb: int
    form: Form = "bubblewrap"

    @property
    def memory_bytes(self) -> int:
        return int(self.memory_gb * 2**30)

    @property
    def tmp_bytes(self) -> int:
        return self.tmp_mb * 2**20


@dataclass(frozen=True)
class Layers:
    """The layers of isolation that were seen to be active on this machine, and those it lacks, each with its remedy."""

    names: tuple[str, ...]
    missing: tuple[tuple[str, str], ...] = ()
