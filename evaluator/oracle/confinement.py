"""What a worker's sandbox holds: the interpreter, this package's `inside` folder, and the GPU it was assigned."""

import sys
from pathlib import Path

import evaluator
from evaluator.devices import Device, driver_paths
from evaluator.oracle.worker import Mode
from evaluator.request import Limits
from evaluator.sandbox import Spec, probe, python_paths


class Confinement:
    """Makes sandbox specifications for workers.

    Raises:
        MachineError: no acceptable sandbox can be built here.
    """

    def __init__(self, limits: Limits, device: Device | None) -> None:
        self.layers: tuple[str, ...] = probe().names
        self._limits = limits
        self._device = device
        package = Path(evaluator.__file__).resolve().parent
        self._root = package.parent
        self._own = (package / "__init__.py", package / "inside")
        self._read_only = (*python_paths(), *(driver_paths() if device else ()), *self._own)

    def spec(self, mode: Mode, fd: int) -> Spec:
        """The sandbox of one worker whose channel is `fd`."""
        return self.wrapped(mode, fd, (), (), self._limits.output_kb)

    def wrapped(
        self, mode: Mode, fd: int, prefix: tuple[str, ...], read_only: tuple[Path, ...], output_kb: int
    ) -> Spec:
        """The same under another program, such as a profiler, which comes first on the command line."""
        limits = self._limits
        return Spec(
            argv=(*prefix, sys.executable, "-P", "-m", "evaluator.inside.worker", mode, str(fd)),
            read_only=(*self._read_only, *read_only),
            devices=self._device.nodes if self._device and mode == "device" else (),
            environment={
                "PYTHONPATH": str(self._root),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
                "TRITON_DEFAULT_FP_FUSION": "1",
                "OMP_NUM_THREADS": "2",
            },
            fds=(fd,),
            memory_gb=limits.memory_gb,
            processes=limits.processes,
            tmp_mb=limits.tmp_mb,
            output_kb=output_kb,
        )
