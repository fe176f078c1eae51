"""Nsight Compute: where it is, how it is called, and what its CSV says.

The profiler runs inside the worker's sandbox and profiles one forward between cudaProfilerStart and Stop, which the
worker calls after warm-up; trial launches of an autotuner are never among it.
"""

import csv
import shutil
from collections.abc import Iterable
from pathlib import Path
from statistics import mean

_PLACES = ("/usr/local/cuda/bin/ncu", "/opt/nvidia/nsight-compute/ncu")
_HEADER = '"ID"'
_NAME = "Kernel Name"


def find(configured: str) -> Path | None:
    """The profiler's path: as configured, or found for `auto`; None if there is none or it is not wanted."""
    if configured == "none":
        return None
    if configured != "auto":
        path = Path(configured)
        return path if path.is_file() else None
    found = shutil.which("ncu")
    versioned = sorted(Path("/opt/nvidia/nsight-compute").glob("*/ncu"), reverse=True)
    places = ([Path(found)] if found else []) + [Path(place) for place in _PLACES] + versioned
    return next((place for place in places if place.is_file()), None)


def command(ncu: Path, metrics: Iterable[str], kernels: Iterable[str]) -> tuple[str, ...]:
    """The words before the profiled program's own."""
    names = "|".join(kernels)
    return (
        *(str(ncu), "--csv", "--page", "raw", "--print-units", "base", "--clock-control", "none"),
        *("--profile-from-start", "off", "--target-processes", "application-only"),
        *("--kernel-name-base", "function", "--kernel-name", f"regex:^({names})$"),
        *("--metrics", ",".join(metrics)),
    )


def parse(output: str) -> dict[str, dict[str, float]]:
    """Metrics by kernel name from `ncu --csv --page raw`; several launches of a kernel are averaged.

    The CSV comes among the program's own lines and the profiler's `==PROF==` lines; its second row holds units (base
    units are asked for); numbers have thousands separators.
    """
    lines = output.splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith(_HEADER)]
    if not starts:
        return {}
    rows = list(csv.reader(line for line in lines[starts[-1] :] if line.startswith('"')))
    header, launches = rows[0], rows[2:]
    if _NAME not in header:
        return {}
    samples: dict[str, dict[str, list[float]]] = {}
    for launch in launches:
        if len(launch) != len(header):
            continue
        kernel = samples.setdefault(launch[header.index(_NAME)], {})
        for name, text in zip(header, launch, strict=True):
            value = _number(text)
            if "__" in name and value is not None:
                kernel.setdefault(name, []).append(value)
    return {kernel: {name: mean(values) for name, values in found.items()} for kernel, found in samples.items()}


def refusal(output: str) -> str:
    """Why the profiler read no counters, with the remedy, in a sentence; empty if it does not say."""
    if "ERR_NVGPUCTRPERM" in output:
        return (
            "this user may not read GPU performance counters (ERR_NVGPUCTRPERM); the administrator can allow it with "
            "the driver option NVreg_RestrictProfilingToAdminUsers=0"
        )
    errors = [line for line in output.splitlines() if line.startswith("==ERROR==")]
    return errors[0].removeprefix("==ERROR==").strip() if errors else ""


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None
