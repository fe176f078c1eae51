"""The NVIDIA GPUs of this machine, read from NVML: neither torch nor a CUDA context is needed.

Device indices are NVML's (the order of the PCI bus), which is CUDA's only under CUDA_DEVICE_ORDER=PCI_BUS_ID: name a
device to CUDA by its UUID. MIG slices are not listed.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from evaluator.catalog import unknown
from evaluator.errors import UsageError
from evaluator.gpus import Gpu

DEFAULT_TARGET = "rtx4090"

# What may follow a name and makes another card of it: RTX 4090 Laptop GPU, H200 NVL, a slice of an H100.
_VARIANTS = frozenset({"d", "laptop", "max-q", "mig", "mobile", "nvl", "pcie", "super", "ti"})

# Where containers and WSL put the driver's user-space part, apart from the system's libraries.
_DRIVER_FOLDERS = (Path("/usr/local/nvidia"), Path("/usr/lib/wsl"))
_DRIVER_LIBRARIES = (
    "libcuda.so",
    "libcudadebugger.so",
    "libnvidia-gpucomp.so",
    "libnvidia-ml.so",
    "libnvidia-nvvm.so",
    "libnvidia-ptxjitcompiler.so",
)


@dataclass(frozen=True)
class Device:
    """One GPU of this machine. `memory_gb` is in GiB, as cards are named; None is what NVML does not tell."""

    index: int
    name: str
    uuid: str
    compute_capability: str
    memory_gb: float
    nodes: tuple[Path, ...]  # what a sandbox needs of /dev to use this GPU and no other
    driver: str
    sms: int | None = None
    bandwidth_gb_s: float | None = None


@dataclass(frozen=True)
class Target:
    """What to compile for, and what to measure on (None: nothing). `note` says what was assumed, for people."""

    gpu: Gpu
    device: Device | None
    note: str = ""


def detect(environment: Mapping[str, str] | None = None) -> tuple[Device, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; empty without a driver or its library."""
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
        try:
            driver = str(pynvml.nvmlSystemGetDriverVersion())
            read = [_read(pynvml, index, driver) for index in range(pynvml.nvmlDeviceGetCount())]
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return ()
    present = tuple(device for device in read if device is not None)
    return visible(present, (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES"))


def visible(devices: tuple[Device, ...], setting: str | None) -> tuple[Device, ...]:
    """The devices that a value of CUDA_VISIBLE_DEVICES leaves, in its order; all of them if it is None.

    As CUDA does: entries are indices or beginnings of UUIDs, and the first that is no device ends the list.
    """
    if setting is None:
        return devices
    chosen: list[Device] = []
    for entry in (part.strip() for part in setting.split(",")):
        if entry.isdecimal():
            found = [device for device in devices if device.index == int(entry)]
        else:
            found = [device for device in devices if entry.startswith("GPU-") and device.uuid.startswith(entry)]
        if len(found) != 1 or found[0] in chosen:
            break
        chosen.append(found[0])
    return tuple(chosen)


def choose(
    name: str,
    gpus: tuple[Gpu, ...],
    devices: tuple[Device, ...],
    measure: Literal["auto", "none"],
) -> Target:
    """The target called `name` and the device to measure it on.

    `auto` is the first device present that is described in conf/gpu (failing that, the first, as estimated from the
    nearest description), or the RTX 4090 as a compile target where there is none. With `measure` at
    `none`, or on a machine without GPUs, a target has no device.

    Raises:
        UsageError: no GPU has that name, or devices are present and none of them is it.
    """
    by_name = {gpu.name: gpu for gpu in gpus}
    if name == "auto":
        return _automatic(gpus, devices, measure)
    if name not in by_name:
        raise unknown("GPU", name, [*by_name, "auto"])
    wanted = by_name[name]
    if measure == "none" or not devices:
        return Target(wanted, None)
    for device in devices:
        if match(device, gpus) == wanted:
            gpu, note = _as_found(wanted, device)
            return Target(gpu, device, note)
    found = ", ".join(dict.fromkeys(device.name for device in devices))
    raise UsageError(
        f"the target is the {wanted.title}, but the GPU of this machine is {found}",
        "Use gpu=auto for the GPU that is here, or evaluator.device=none to compile for the target without measuring.",
    )


def match(device: Device, gpus: tuple[Gpu, ...]) -> Gpu | None:
    """The known GPU that a device is; None if it is none of them.

    A name counts where it stands as whole words, and the longest counts: an RTX 4090 D is not an RTX 4090, an L40S
    not an L4. What is left of the device's name must not tell of another variant (Laptop, PCIe, MIG).
    """
    spoken = device.name.lower()
    best: tuple[int, Gpu] | None = None
    for gpu in gpus:
        for known in gpu.device_names:
            place = re.search(rf"(?<![a-z0-9]){re.escape(known)}(?![a-z0-9])", spoken)
            if place and (best is None or len(known) > best[0]):
                rest = set((spoken[: place.start()] + spoken[place.end() :]).split())
                if not rest & _VARIANTS and gpu.compute_capability == device.compute_capability:
                    best = (len(known), gpu)
    return best[1] if best else None


def driver_paths(environment: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Folders and files of the NVIDIA driver's user-space libraries that a sandbox must bind; empty without a driver.

    Files come as the loader names them and as what those links resolve to.
    """
    found = [folder for folder in _DRIVER_FOLDERS if folder.is_dir()]
    searched = (os.environ if environment is None else environment).get("LD_LIBRARY_PATH", "")
    found += [Path(part) for part in searched.split(":") if part and Path(part, "libcuda.so.1").exists()]
    found += [path for path in driver_libraries(_loader_cache()) if path.exists()]
    return tuple(dict.fromkeys(place for path in found for place in (path, path.resolve())))


def library_folders(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """The folders among or below `paths` that hold libcuda.so.1: the sandbox's LD_LIBRARY_PATH."""
    folders = [path.parent for path in paths if path.name == "libcuda.so.1"]
    folders += [library.parent for path in paths if path.is_dir() for library in sorted(path.rglob("libcuda.so.1"))]
    return tuple(dict.fromkeys(folders))


def driver_libraries(listing: str) -> tuple[Path, ...]:
    """The driver's libraries in what `ldconfig -p` prints, without those for 32-bit programs."""
    paths = []
    for line in listing.splitlines():
        entry = re.match(r"\s*(\S+) \((.*?)\) => (\S+)$", line)
        if entry and entry[1].startswith(_DRIVER_LIBRARIES) and entry[2] != "libc6":
            paths.append(Path(entry[3]))
    return tuple(paths)


def _loader_cache() -> str:
    """What the loader knows; empty where there is no ldconfig."""
    try:
        done = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _automatic(gpus: tuple[Gpu, ...], devices: tuple[Device, ...], measure: Literal["auto", "none"]) -> Target:
    if not devices:
        default = {gpu.name: gpu for gpu in gpus}.get(DEFAULT_TARGET)
        if default is None:
            raise unknown("GPU", DEFAULT_TARGET, (gpu.name for gpu in gpus))
        return Target(default, None, f"no GPU here: compiling for the {default.title}")
    for device in devices:
        known = match(device, gpus)
        if known:
            gpu, note = _as_found(known, device)
            break
    else:
        device = devices[0]
        gpu, note = _estimated(device, gpus)
    return Target(gpu, device if measure == "auto" else None, note)


def _as_found(gpu: Gpu, device: Device) -> tuple[Gpu, str]:
    """A known GPU with the count of SMs that this very device has: cards with some fused off carry the same name."""
    if device.sms is None or device.sms == gpu.sms:
        return gpu, ""
    note = f"{device.name} reports {device.sms} SMs, not {gpu.sms}: its peak rates are scaled"
    return _scaled(gpu, device.sms), note


def _estimated(device: Device, gpus: tuple[Gpu, ...]) -> tuple[Gpu, str]:
    """A GPU that nobody described: NVML's facts, and the nearest known one of its architecture for the rest."""
    same = [gpu for gpu in gpus if gpu.compute_capability == device.compute_capability]
    if not same:
        raise UsageError(
            f"{device.name} (compute capability {device.compute_capability}) is not a known GPU, nor is any like it",
            "Describe it in conf/gpu/NAME.yaml, beside the others.",
        )
    nearest = min(same, key=lambda gpu: abs(gpu.sms - (device.sms or gpu.sms)))
    facts: dict[str, Any] = {
        "name": re.sub(r"[^a-z0-9]+", "_", device.name.lower()).strip("_"),
        "title": device.name,
        "device_names": (device.name.lower(),),
        "memory_gb": device.memory_gb,
        "bandwidth_gb_s": device.bandwidth_gb_s or nearest.bandwidth_gb_s,
    }
    gpu = _scaled(nearest, device.sms or nearest.sms).model_copy(update=facts)
    note = (
        f"{device.name} is not described in conf/gpu: its limits are the {nearest.title}'s (same compute capability), "
        "its peak rates are that one's by count of SMs"
    )
    return gpu, note


def _scaled(gpu: Gpu, sms: int) -> Gpu:
    rates = {name: rate for name, rate in gpu if name.endswith("_tflops") and rate is not None}
    return gpu.model_copy(update={"sms": sms} | {name: rate * sms / gpu.sms for name, rate in rates.items()})


def _read(nvml: Any, index: int, driver: str) -> Device | None:
    """One device; None if the driver will not speak of it (fallen off the bus, no permission)."""
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
        device = Device(
            index=index,
            name=str(nvml.nvmlDeviceGetName(handle)),
            uuid=str(nvml.nvmlDeviceGetUUID(handle)),
            compute_capability=f"{major}.{minor}",
            memory_gb=round(nvml.nvmlDeviceGetMemoryInfo(handle).total / 2**30, 1),
            nodes=device_nodes(_minor(nvml, handle, index)),
            driver=driver,
        )
    except nvml.NVMLError:
        return None
    return replace(device, sms=_sms(nvml, handle, major, minor), bandwidth_gb_s=_bandwidth(nvml, handle))


def _minor(nvml: Any, handle: Any, index: int) -> int:
    """The number in its device node's name; its index where there is no such node (WSL)."""
    try:
        return int(nvml.nvmlDeviceGetMinorNumber(handle))
    except nvml.NVMLError:
        return index


def _sms(nvml: Any, handle: Any, major: int, minor: int) -> int | None:
    """NVML counts FP32 cores: 64 an SM on compute capabilities 7.x and 8.0, 128 on all later ones."""
    try:
        cores = int(nvml.nvmlDeviceGetNumGpuCores(handle))
    except nvml.NVMLError:
        return None
    return cores // (64 if (major, minor) < (8, 6) else 128)


def _bandwidth(nvml: Any, handle: Any) -> float | None:
    """GB/s: the bus's width in bytes, times the memory clock, at two transfers a clock as NVML counts it."""
    try:
        width = nvml.nvmlDeviceGetMemoryBusWidth(handle)
        clock_mhz = nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM)
    except nvml.NVMLError:
        return None
    return float(round(width / 8 * clock_mhz * 2 / 1000)) or None


def device_nodes(minor: int, folder: Path = Path("/dev")) -> tuple[Path, ...]:
    """Those nodes of one GPU that exist: the driver's two and its own by minor number; WSL's single one otherwise."""
    named = [folder / "nvidiactl", folder / "nvidia-uvm", folder / f"nvidia{minor}"]
    present = tuple(node for node in named if node.exists())
    return present or tuple(node for node in [folder / "dxg"] if node.exists())
