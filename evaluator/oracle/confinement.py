"""What a worker's sandbox holds: the interpreter, this package's `inside` folder, and the GPU it was assigned."""

import copy
import os
import sys
from pathlib import Path
from typing import Self

import evaluator
from evaluator.devices import Device, driver_paths, library_folders
from evaluator.gpus import Gpu
from evaluator.oracle.buffers import Transport
from evaluator.oracle.worker import Mode
from evaluator.request import Limits
from evaluator.sandbox import Form, Layers, Spec, probe
from evaluator.sandbox.paths import import_folders

_THREADS = "4"


class Confinement:
    """Makes sandbox specifications for workers.

    Args:
        target: the GPU that candidates are compiled for.
        device: the GPU that they run on; None where there is none.
        prefix: a program that starts the worker, such as a profiler; it comes first on the command line.
        read_only: what that program needs beyond what every worker sees.
        form: what the sandbox is made of.

    Raises:
        MachineError: no acceptable sandbox can be built here.
    """

    def __init__(
        self,
        limits: Limits,
        target: Gpu,
        device: Device | None,
        prefix: tuple[str, ...] = (),
        read_only: tuple[Path, ...] = (),
        form: Form = "bubblewrap",
    ) -> None:
        self.transport: Transport = "ipc"
        self.environment: dict[str, str] = {}  # on top of what every worker is told
        self.layers: Layers = probe(form)
        self._form: Form = form
        self.target = target
        self._limits = limits
        self._device = device
        self._prefix = prefix
        package = Path(evaluator.__file__).resolve().parent
        self._path = os.pathsep.join(str(folder) for folder in (package.parent, *import_folders()))
        driver = driver_paths() if device else ()
        self._libraries = ":".join(str(folder) for folder in library_folders(driver))
        self._read_only = (*driver, package / "__init__.py", package / "inside", *read_only)

    def on_target(self, gpu: Gpu) -> Self:
        """The same confinement for workers that compile for another GPU; no device is lent to these."""
        other = copy.copy(self)
        other.target, other._device = gpu, None
        return other

    def spec(self, mode: Mode, fd: int) -> Spec:
        """The sandbox of one worker whose channel is `fd`."""
        limits = self._limits
        return Spec(
            argv=(*self._prefix, sys.executable, "-P", "-m", "evaluator.inside.worker", str(fd)),
            read_only=self._read_only,
            devices=self._device.nodes if self._device and mode == "device" else (),
            environment={
                "PYTHONPATH": self._path,
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
                "TRITON_DEFAULT_FP_FUSION": "1",
                "LD_LIBRARY_PATH": self._libraries,
                # Thread pools sized for a host of many cores would pass the limit on processes.
                "OMP_NUM_THREADS": _THREADS,
                "OPENBLAS_NUM_THREADS": _THREADS,
                "TORCHINDUCTOR_COMPILE_THREADS": "1",
                **self.environment,
            },
            fds=(fd,),
            memory_gb=limits.memory_gb,
            processes=limits.processes,
            tmp_mb=limits.tmp_mb,
            output_kb=limits.output_kb,
            form=self._form,
        )
