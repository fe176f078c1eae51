"""Programs that watch a worker from outside, Nsight Compute and compute-sanitizer: a worker that is started by one."""

from dataclasses import dataclass
from pathlib import Path

from evaluator.devices import Device
from evaluator.gpus import Gpu
from evaluator.oracle.buffers import Transport
from evaluator.oracle.confinement import Confinement
from evaluator.oracle.correctness import Examination
from evaluator.oracle.reference import at
from evaluator.oracle.worker import WorkerHandle
from evaluator.request import Limits
from evaluator.sandbox import Form
from evaluator.tasks import Task


@dataclass(frozen=True)
class Instrument:
    """One way to start a worker: the words before its own, what its environment has on top, and what it may use."""

    command: tuple[str, ...]
    environment: dict[str, str]
    limits: Limits
    transport: Transport


@dataclass(frozen=True)
class Instruments:
    """Starts workers on one GPU under a program that watches them."""

    target: Gpu
    device: Device
    form: Form

    def start(self, instrument: Instrument, task: Task, sizes: dict[str, int]) -> Examination:
        """An examination of the task at these sizes; whoever closes it ends the program too.

        Raises:
            UsageError: the reference does not run at such sizes.
        """
        limits = instrument.limits
        folders = _folders(Path(instrument.command[0]))
        confinement = Confinement(limits, self.target, self.device, instrument.command, folders, self.form)
        confinement.transport, confinement.environment = instrument.transport, instrument.environment
        worker = WorkerHandle("device", confinement, limits)
        try:
            return Examination(task, at(task, sizes, "cuda"), worker, limits)
        except BaseException:
            worker.kill()
            raise


def _folders(program: Path) -> tuple[Path, ...]:
    """The program's own folders, where they are not among what every sandbox has (/usr)."""
    places = {program.resolve().parent, Path("/opt/nvidia")}
    return tuple(place for place in places if place.is_dir() and not place.is_relative_to("/usr"))
