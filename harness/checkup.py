"""What `harness doctor` looks at: each part of the machine that the work depends on, one function each."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from evaluator.devices import Device
from evaluator.errors import HarnessError
from harness.settings import LlmSettings, StoreSettings
from prompts.metrics import load_metrics

State = Literal["ok", "warn", "fail"]
DRIVER_PARAMETERS = Path("/proc/driver/nvidia/params")
LITTLE_SPACE_GB = 2.0
_WITHOUT_NCU = (
    "Profiles then hold static facts, timings, and the bandwidth and rate that follow from them. "
    "Install Nsight Compute, or set evaluator.ncu=PATH."
)


class Finding(BaseModel):
    """`fail`: the work can't be done; `warn`: it can, but not all of it or not as well."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    found: str
    remedy: str = ""


def examine(store: StoreSettings) -> Iterator[Finding]:
    """Every finding, in the order in which things depend on each other."""
    yield python()
    yield from libraries()
    yield from sandbox()
    yield compiler()
    yield from gpus()
    yield from profiler()
    yield sanitizer()
    yield counters()
    yield disk(store)
    yield from stored(store)
    yield model()


def python() -> Finding:
    """The interpreter."""
    found = f"{platform.python_version()} ({sys.executable})"
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding(name="python", state="ok", found=found)
    return Finding(name="python", state="fail", found=found, remedy="Use Python 3.11 to 3.13.")


def libraries() -> Iterator[Finding]:
    """torch and Triton, asked of their metadata: neither is imported here."""
    found = {}
    for name in ("torch", "triton"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name=name, state="fail", found="not installed", remedy="make install")
            continue
        low, high = {"torch": ((2, 11), (3, 0)), "triton": ((3, 6), (3, 10))}[name]
        supported = low <= _numbers(found[name]) < high
        yield Finding(
            name=name,
            state="ok" if supported else "warn",
            found=found[name],
            remedy="" if supported else "Tested are torch from 2.11 and Triton 3.6 to 3.9: make install",
        )
    wanted = _triton_of_torch()
    if wanted and "triton" in found and found["triton"] != wanted:
        yield Finding(
            name="torch and triton",
            state="warn",
            found=f"this torch was built for Triton {wanted}, installed is {found['triton']}",
            remedy=f"pip install triton=={wanted}",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("+")[0].split(".")[:2] if part.isdecimal())


def _triton_of_torch() -> str:
    """The exact Triton that torch's metadata names, without its marker; empty if it names none (a CPU build)."""
    try:
        needs = importlib.metadata.requires("torch") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    for need in needs:
        name, exact, version = need.split(";")[0].partition("==")
        if exact and name.strip() == "triton":
            return version.strip()
    return ""


def sandbox() -> Iterator[Finding]:
    """Whether one can be built, and which of its layers are missing."""
    from evaluator.sandbox import probe

    try:
        layers = probe()
    except HarnessError as error:
        yield Finding(name="sandbox", state="fail", found=error.problem, remedy=error.remedy)
        yield fallback()
        return
    yield Finding(name="sandbox", state="ok", found=", ".join(layers.names))
    for name, remedy in layers.missing:
        yield Finding(name="sandbox", state="warn", found=f"without {name}", remedy=remedy)


def fallback() -> Finding:
    """Whether the sandbox that isolates less could be built, where the other one can't."""
    from evaluator.sandbox import probe

    try:
        layers = probe("landlock")
    except HarnessError as error:
        return Finding(name="fallback", state="warn", found=error.problem, remedy=error.remedy)
    return Finding(
        name="fallback",
        state="warn",
        found=f"possible: {', '.join(layers.names)}",
        remedy="evaluator.sandbox=landlock uses it. It isolates less; every row made under it says so.",
    )


def compiler() -> Finding:
    """The C compiler that Triton builds its launcher with on a GPU."""
    named = os.environ.get("CC", "")
    found = next((path for name in (named, "cc", "gcc", "clang") if name and (path := shutil.which(name))), None)
    if found:
        return Finding(name="C compiler", state="ok", found=found)
    return Finding(
        name="C compiler",
        state="warn",
        found="none",
        remedy="Triton needs one to launch kernels on a GPU; without a GPU it is not needed. Install gcc or set CC.",
    )


def gpus() -> Iterator[Finding]:
    """GPUs and driver, as NVML says."""
    from evaluator.devices import detect
    from evaluator.machine import is_wsl, wsl_obstacle

    devices = detect()
    for device in devices:
        found = f"{device.name}, compute capability {device.compute_capability}, {device.memory_gb:.0f} GB"
        yield Finding(name=f"GPU {device.index}", state="ok", found=f"{found}, driver {device.driver}")
    yield from _conditions(devices)
    if len(devices) > 1:
        remedy = "The first that conf/gpu describes is used. Choose another with CUDA_VISIBLE_DEVICES."
        yield Finding(name="GPUs", state="ok", found=f"{len(devices)} of them", remedy=remedy)
    if obstacle := wsl_obstacle():
        yield Finding(name="WSL", state="warn", found=obstacle.found, remedy=obstacle.remedy)
    elif is_wsl():
        yield Finding(name="WSL", state="ok", found="WSL2 has no CUDA IPC: tensors cross in pinned host memory")
    if not devices:
        yield Finding(
            name="GPU",
            state="warn",
            found="none",
            remedy="Candidates are compiled for the target and checked without it, and nothing is measured. If "
            "there is one: install NVIDIA's driver, and see that CUDA_VISIBLE_DEVICES leaves it.",
        )


def _conditions(devices: tuple[Device, ...]) -> Iterator[Finding]:
    """What of their state forbids or disturbs measuring."""
    from evaluator.gpu_state import conditions, open_nvml, torch_cuda

    with open_nvml() as reader:
        if reader is None:
            return
        for device in devices:
            for condition in conditions(reader, device.uuid, device.index, torch_cuda()):
                state: State = "fail" if condition.grade == "fail" else "warn"
                yield Finding(name=f"GPU {device.index}", state=state, found=condition.found, remedy=condition.remedy)


def profiler() -> Iterator[Finding]:
    """Nsight Compute, and the metrics that stages ask for and it does not know; that is asked where a GPU is."""
    from evaluator.devices import detect
    from evaluator.oracle import ncu

    found = ncu.find("auto")
    if found is None:
        yield Finding(name="ncu", state="warn", found="not found", remedy=_WITHOUT_NCU)
        return
    version = ncu.version(found)
    if not version:
        yield Finding(name="ncu", state="warn", found=f"{found} does not say its version", remedy=_WITHOUT_NCU)
        return
    yield Finding(name="ncu", state="ok", found=f"{version} ({found})")
    if detect() and (strange := ncu.unknown(found, load_metrics())):
        yield Finding(
            name="ncu",
            state="warn",
            found=f"{version} does not know {', '.join(strange)} on this GPU",
            remedy="They are left out and named as missing. A newer Nsight Compute may have them; conf/metrics.yaml "
            "lists what is asked for.",
        )


def sanitizer() -> Finding:
    """compute-sanitizer, which looks for accesses out of bounds in what would be kept."""
    from evaluator.oracle import memcheck

    found = memcheck.find("auto")
    if found is not None:
        return Finding(name="memcheck", state="ok", found=str(found))
    remedy = "Kernels are judged without it. Install CUDA's compute-sanitizer, or set evaluator.sanitizer=PATH."
    return Finding(name="memcheck", state="warn", found="compute-sanitizer was not found", remedy=remedy)


def counters(parameters: Path = DRIVER_PARAMETERS) -> Finding:
    """Whether the driver lets ordinary users read performance counters."""
    try:
        text = parameters.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Finding(name="GPU counters", state="warn", found="no NVIDIA driver is loaded", remedy="")
    restricted = any(line.replace(" ", "") == "RmProfilingAdminOnly:1" for line in text.splitlines())
    if not restricted:
        return Finding(name="GPU counters", state="ok", found="open to all users")
    return Finding(
        name="GPU counters",
        state="warn",
        found="for administrators only",
        remedy="An administrator can open them: options nvidia NVreg_RestrictProfilingToAdminUsers=0 in "
        "/etc/modprobe.d, then reload the driver. Profiles hold static facts and timings until then.",
    )


def disk(store: StoreSettings) -> Finding:
    """Room where results and caches go."""
    place = next(folder for folder in (store.root, *store.root.parents) if folder.exists())
    free = shutil.disk_usage(place).free / 1e9
    found = f"{free:.1f} GB free at {place}"
    if not os.access(place, os.W_OK):
        remedy = "Name a folder that can be written: store.root=PATH or HARNESS_HOME."
        return Finding(name="disk", state="fail", found=f"{place} can't be written", remedy=remedy)
    if free < LITTLE_SPACE_GB:
        remedy = "Make room, or name another place with store.root=PATH."
        return Finding(name="disk", state="warn", found=found, remedy=remedy)
    return Finding(name="disk", state="ok", found=found)


def stored(store: StoreSettings) -> Iterator[Finding]:
    """The store and its database, opened if there is one."""
    from harness import archive

    if not archive.exists(store):
        yield Finding(name="store", state="ok", found=f"nothing stored in {store.root} yet")
        return
    try:
        with archive.open_existing(store) as opened:
            count, condition = len(opened.runs()), opened.condition()
    except HarnessError as error:
        yield Finding(name="store", state="fail", found=error.problem, remedy=error.remedy)
        return
    yield Finding(name="store", state="ok", found=f"{store.root}: {count} {'run' if count == 1 else 'runs'}")
    size = "" if condition.size_bytes is None else f", {condition.size_bytes / 1e6:.1f} MB"
    texts = f"{condition.text_bytes / 1e6:.1f} MB of texts beside it"
    found = f"{condition.database}, revision {condition.revision}{size}, {texts}"
    yield Finding(name="database", state="ok", found=found)


def model() -> Finding:
    """Whether a language model's server is named; it is not contacted."""
    from harness.llm.address import redact_url

    variable = LlmSettings().api_key_env
    key, base_url = os.environ.get(variable, "").strip(), os.environ.get("OPENAI_BASE_URL", "").strip()
    if base_url:
        said = f"OPENAI_BASE_URL is {redact_url(base_url)}, {variable} is {'set' if key else 'not set'}"
        return Finding(name="model", state="ok", found=said)
    if key:
        return Finding(name="model", state="ok", found=f"{variable} is set")
    return Finding(
        name="model",
        state="warn",
        found=f"neither {variable} nor OPENAI_BASE_URL is set",
        remedy="The rules proposer works without. For a model: set one of them and name it with llm.model=NAME.",
    )
