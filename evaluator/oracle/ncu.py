"""Nsight Compute: where it is, what it knows, and how it is called. What its tables say is read by `ncu_table`.

The profiler runs inside the worker's sandbox and profiles one forward between cudaProfilerStart and Stop, which the
worker calls after warm-up; trial launches of an autotuner are never among it.
"""

import csv
import os
import re
import subprocess
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from evaluator.oracle import tools

ENVIRONMENT = {"LC_ALL": "C"}
"""Numbers are written with a decimal point, and messages in English."""

MOST_LAUNCHES = 100  # that are profiled; each is run once for every few metrics

_PLACES = (Path("/usr/local/cuda/bin/ncu"), Path("/opt/nvidia/nsight-compute/ncu"))
_QUERY_S = 60.0
_METRIC = re.compile(r"[a-z0-9]+__[a-z0-9_]+")
_OF_A_LAUNCH = "launch__"  # properties of the launch itself: never counters, and not among what can be asked about


def find(configured: str) -> Path | None:
    """The profiler's path: as configured, or found for `auto`; None if there is none or it is not wanted."""
    versioned = sorted(Path("/opt/nvidia/nsight-compute").glob("*/ncu"), reverse=True)
    return tools.find("ncu", configured, [*_PLACES, *versioned])


def command(ncu: Path, metrics: Iterable[str], kernels: Iterable[str]) -> tuple[str, ...]:
    """The words before the profiled program's own."""
    names = "|".join(re.escape(kernel) for kernel in kernels)
    return (
        *(str(ncu), "--csv", "--page", "raw", "--print-units", "base", "--clock-control", "none"),
        *("--profile-from-start", "off", "--target-processes", "application-only"),
        *("--kernel-name-base", "function", "--kernel-name", f"regex:^({names})$"),
        *("--launch-count", str(MOST_LAUNCHES)),
        *("--metrics", ",".join(metrics)),
    )


def refusal(output: str) -> str:
    """Why the profiler read no counters, with the remedy, in a sentence; empty if it does not say."""
    if "ERR_NVGPUCTRPERM" in output:
        return (
            "this user may not read GPU performance counters (ERR_NVGPUCTRPERM); the administrator can allow it with "
            "the driver option NVreg_RestrictProfilingToAdminUsers=0"
        )
    errors = [line for line in output.splitlines() if line.startswith("==ERROR==")]
    return errors[0].removeprefix("==ERROR==").strip() if errors else ""


def version(ncu: Path) -> str:
    """What the profiler calls its version, such as 2025.1.1.0; empty if it does not answer."""
    found = re.search(r"^Version (\S+)", _said(ncu, "--version"), re.MULTILINE)
    return found.group(1) if found else ""


def unknown(ncu: Path, metrics: Iterable[str]) -> tuple[str, ...]:
    """Those of `metrics` that this profiler does not know on the GPUs present; none if it can't be asked."""
    catalogue = _catalogue(ncu, version(ncu))
    if not catalogue:
        return ()
    return tuple(m for m in metrics if not m.startswith(_OF_A_LAUNCH) and m.partition(".")[0] not in catalogue)


def read_catalogue(output: str) -> frozenset[str]:
    """Base names of metrics from what `--query-metrics` printed, as CSV or as columns of text.

    A row begins with a metric's name, with or without the suffix that a roll-up adds; headings, rules and messages of
    the program are no names of this form.
    """
    rows = csv.reader(line for line in output.splitlines() if line.strip())
    firsts = (row[0].split()[0].partition(".")[0] for row in rows if row and row[0].strip())
    return frozenset(name for name in firsts if _METRIC.fullmatch(name))


@lru_cache(maxsize=4)
def _catalogue(ncu: Path, of_version: str) -> frozenset[str]:
    """Asked once for each version: it takes seconds."""
    return read_catalogue(_said(ncu, "--query-metrics", "--csv"))


def _said(ncu: Path, *words: str) -> str:
    """What the program prints about itself; empty if it can't be run, fails, or does not end."""
    try:
        ran = subprocess.run(
            [str(ncu), *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_QUERY_S,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout if ran.returncode == 0 else ""
