"""The state in which a GPU is: what of it forbids measuring, and what disturbs it. Read from NVML, changed never."""

import contextlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from evaluator.errors import MachineError

EXCLUSIVE_PROCESS, PROHIBITED = 3, 2  # nvmlComputeMode_t


class Reader(Protocol):
    """What is asked of a driver. Each answer is None where the driver does not tell."""

    def cuda_version(self) -> tuple[int, int] | None:
        """The newest CUDA that the driver supports."""
        ...

    def compute_mode(self, uuid: str) -> int | None: ...

    def drives_display(self, uuid: str) -> bool | None: ...

    def persists(self, uuid: str) -> bool | None:
        """Whether the driver stays loaded while nobody uses the GPU."""
        ...

    def is_partitioned(self, uuid: str) -> bool | None:
        """Whether MIG is on."""
        ...


@dataclass(frozen=True)
class Condition:
    """`fail`: nothing can be measured; `warn`: measured, but disturbed; `advice`: it could be better."""

    grade: Literal["fail", "warn", "advice"]
    found: str
    remedy: str


def conditions(reader: Reader, uuid: str, index: int, wanted_cuda: tuple[int, int] | None) -> tuple[Condition, ...]:
    """What is to be said of one GPU.

    Args:
        index: its number as nvidia-smi counts, for the remedies.
        wanted_cuda: the CUDA that torch was built for; None if it was built without.
    """
    found = [
        _mode(reader.compute_mode(uuid), index),
        _driver(reader.cuda_version(), wanted_cuda),
    ]
    if reader.is_partitioned(uuid):
        found.append(
            Condition(
                "fail",
                "It is divided by MIG, and slices can't be measured on here.",
                f"An administrator can join it: `nvidia-smi -i {index} -mig 0`; or choose another GPU with "
                "CUDA_VISIBLE_DEVICES.",
            )
        )
    if reader.drives_display(uuid):
        found.append(
            Condition(
                "warn",
                "It drives a display: a watchdog may end kernels that run for seconds, and drawing disturbs times.",
                "Measure on another GPU (CUDA_VISIBLE_DEVICES), or without a graphical session.",
            )
        )
    if reader.persists(uuid) is False:
        found.append(
            Condition(
                "advice",
                "Persistence mode is off: the driver starts anew for each process that comes after a pause.",
                f"An administrator can turn it on: `nvidia-smi -i {index} -pm 1`.",
            )
        )
    return tuple(condition for condition in found if condition is not None)


def require_usable(reader: Reader, uuid: str, index: int, name: str) -> tuple[str, ...]:
    """What a row measured on this GPU must say.

    Raises:
        MachineError: nothing can be measured on it; the remedy says what an administrator could change.
    """
    found = conditions(reader, uuid, index, torch_cuda())
    for condition in found:
        if condition.grade == "fail":
            raise MachineError(f"Nothing can be measured on the {name}. {condition.found}", condition.remedy)
    return tuple(condition.found for condition in found if condition.grade == "warn")


def torch_cuda() -> tuple[int, int] | None:
    """The CUDA that torch was built for, from its own file of versions: torch is not imported."""
    spec = importlib.util.find_spec("torch")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        with contextlib.suppress(OSError):
            return cuda_in(Path(folder, "version.py").read_text(encoding="utf-8"))
    return None


def cuda_in(text: str) -> tuple[int, int] | None:
    """The version that torch/version.py names: `cuda: Optional[str] = '13.0'`."""
    named = re.search(r"^cuda\b[^=]*=\s*['\"](\d+)\.(\d+)", text, re.MULTILINE)
    return (int(named[1]), int(named[2])) if named else None


@contextlib.contextmanager
def open_nvml() -> Iterator[Reader | None]:
    """The driver of this machine; None where there is none."""
    try:
        import pynvml
    except ImportError:
        yield None
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield _Nvml(pynvml)
    finally:
        pynvml.nvmlShutdown()


class _Nvml:
    """The Reader of a real driver."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml

    def cuda_version(self) -> tuple[int, int] | None:
        version = self._ask(self._nvml.nvmlSystemGetCudaDriverVersion_v2)
        return None if version is None else (version // 1000, version % 1000 // 10)

    def compute_mode(self, uuid: str) -> int | None:
        mode = self._of(uuid, self._nvml.nvmlDeviceGetComputeMode)
        return None if mode is None else int(mode)

    def drives_display(self, uuid: str) -> bool | None:
        # `active` is a display with contents; `mode` only says that a connector is in use, as on many servers.
        return _flag(self._of(uuid, self._nvml.nvmlDeviceGetDisplayActive))

    def persists(self, uuid: str) -> bool | None:
        return _flag(self._of(uuid, self._nvml.nvmlDeviceGetPersistenceMode))

    def is_partitioned(self, uuid: str) -> bool | None:
        modes = self._of(uuid, self._nvml.nvmlDeviceGetMigMode)
        return None if modes is None else bool(modes[0])

    def _of(self, uuid: str, question: Callable[[Any], Any]) -> Any:
        return self._ask(lambda: question(self._nvml.nvmlDeviceGetHandleByUUID(uuid)))

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except self._nvml.NVMLError:  # not supported here, or not told to this user
            return None


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _mode(mode: int | None, index: int) -> Condition | None:
    allow = f"An administrator can allow several: `nvidia-smi -i {index} -c 0`."
    if mode == EXCLUSIVE_PROCESS:
        why = "the oracle and the candidate's worker are two, on purpose"
        return Condition("fail", f"It is in exclusive mode, which lets one process use it: {why}.", allow)
    if mode == PROHIBITED:
        return Condition("fail", "Its compute mode prohibits all use by programs.", allow)
    return None


def _driver(supported: tuple[int, int] | None, wanted: tuple[int, int] | None) -> Condition | None:
    """Within one major version of CUDA, a newer torch runs on an older driver."""
    if supported is None or wanted is None or supported[0] >= wanted[0]:
        return None
    return Condition(
        "fail",
        f"The driver supports CUDA {supported[0]}.{supported[1]}, and torch was built for {wanted[0]}.{wanted[1]}.",
        f"Update NVIDIA's driver, or install a torch that was built for CUDA {supported[0]} (https://pytorch.org).",
    )
