"""The oracle: one message after another over a socket.

The first message configures it; then come `evaluate`, `profile`, `ceilings`, `generate` and `lint`. While it works it
sends `{"progress": ...}`; each request ends with an answer named after what was asked for, or with `{"error": ...}`.
"""

import socket
import sys
import traceback
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from evaluator.devices import Device
from evaluator.errors import HarnessError, MachineError
from evaluator.generation import NO_GPU, Generation
from evaluator.gpu_state import open_nvml, require_usable
from evaluator.gpus import Gpu
from evaluator.inside.wire import Channel, WireError
from evaluator.oracle import ceilings, generation, lint, lock
from evaluator.oracle.buffers import Loan
from evaluator.oracle.confinement import Confinement
from evaluator.oracle.costs import Costs
from evaluator.oracle.elsewhere import Compilers
from evaluator.oracle.measured import Measured
from evaluator.oracle.profiling import Profiler
from evaluator.oracle.sanitizing import Sanitizer
from evaluator.oracle.sizes import small_reference
from evaluator.oracle.transport import ON_ROW, choose, try_ipc
from evaluator.oracle.unmeasured import Unmeasured
from evaluator.oracle.worker import Mode, Pool, WorkerFailure
from evaluator.request import EvaluatorSettings, Request
from evaluator.tasks import Task
from evaluator.verdict import Profile, Status, Verdict
from evaluator.work import Ceilings

_A_VERDICT = 2  # workers that run a candidate: one is examined, in the other its kernels are left out


class Oracle:
    """What one oracle process holds: pools of workers, references, and the GPU if there is one."""

    def __init__(self, settings: EvaluatorSettings, device: Device | None, target: Gpu, channel: Channel) -> None:
        self._settings = settings
        self._device = device
        self._channel = channel
        self._disturbances = _disturbances(device) if device is not None else ()
        self._confinement = confinement = Confinement(settings.limits, target, device, form=settings.sandbox)
        limits, size = settings.limits, settings.pool
        if device is None:
            sizes: dict[Mode, int] = {"compile": size, "interpret": _A_VERDICT * size}
            self._pools = [Pool(mode, confinement, limits, count) for mode, count in sizes.items()]
            self._unmeasured: Unmeasured | None = Unmeasured(settings, *self._pools)
        else:
            self._pools = [Pool("device", confinement, limits, _A_VERDICT * size)]
            self._unmeasured = None
        for pool in self._pools:
            pool.fill()
        self._software = _software(device)
        self._elsewhere = Compilers(confinement, limits)
        self._costs = Costs()
        self._known_ceilings: Ceilings | None = None
        self._layers = confinement.layers
        if device is not None:
            l2_bytes = _prepare_gpu()
            self._measured = Measured(settings, device.name, l2_bytes, self._pools[0])
            self._profiler = Profiler(settings, target, device)
            self._sanitizer = Sanitizer(settings, target, device)
            confinement.transport = choose(settings.transport)
        self._trial: Loan | None = None  # kept for as long as the worker that was lent it may live
        self._settled = device is None or settings.transport != "auto" or confinement.transport != "ipc"

    def evaluate(self, request: Request) -> Verdict:
        """One verdict; holds the GPU meanwhile."""
        with self._turn():
            self._settle_transport()
            reached = None
            if self._unmeasured is not None:
                verdict = self._unmeasured.evaluate(request, self._progress)
            else:
                verdict = self._measured.evaluate(request, self._progress)
                if verdict.measured:
                    reached = request.ceilings or self._reached()
                    verdict = self._sanitizer.judge(request, verdict, self._progress)
        # After the GPU was given up: nothing is timed any more, and another run may go on meanwhile.
        verified = verdict.status is Status.VERIFIED
        elsewhere = self._elsewhere.facts(request, self._progress) if request.also and verified else ()
        cost = self._costs.of(request.task)
        found = {
            "ceilings": reached,
            "elsewhere": elsewhere,
            "cost": None if isinstance(cost, str) else cost,
            "software": self._software,
            "isolation": self._layers.names,
            "isolation_missing": tuple(name for name, _ in self._layers.missing),
            "notes": (*verdict.evidence.notes, *self._disturbances, *([cost] if isinstance(cost, str) else ())),
            "transport": ON_ROW[self._confinement.transport] if self._device else verdict.evidence.transport,
        }
        return verdict.model_copy(update={"evidence": verdict.evidence.model_copy(update=found)})

    def profile(self, request: Request, metrics: tuple[str, ...]) -> Profile:
        """Profiler metrics of the candidate's kernels."""
        if self._unmeasured is not None:
            return Profile(source="static", missing=metrics, reason="there is no GPU on this machine to profile on")
        with self._turn():
            self._settle_transport()
            self._profiler.transport = self._confinement.transport
            return self._profiler.profile(request, metrics, self._progress)

    def ceilings(self) -> Ceilings:
        """What the device reaches, measured now.

        Raises:
            MachineError: there is none, or its memory is taken.
        """
        if self._device is None:
            raise MachineError("There is no GPU on this machine whose ceilings could be measured.")
        self._known_ceilings = None
        with self._turn():
            found = self._reached()
        if found is None:
            raise MachineError("There is not enough free GPU memory to measure ceilings.", "See what else is using it.")
        return found

    def _reached(self) -> Ceilings | None:
        """Measured once in this process's life; None, and tried again, if there is no memory for it."""
        if self._known_ceilings is None and self._device is not None:
            self._progress("measuring what the GPU reaches")
            with self._pools[0].quiet():
                self._known_ceilings = ceilings.measure(self._device.name)
        return self._known_ceilings

    def lint(self, task: Task) -> list[dict[str, Any]]:
        """What satisfies a task without its work, found at small sizes on the CPU; no candidate runs."""
        return [weakness.model_dump() for weakness in lint.lint(task, small_reference(task))]

    def generate(self, task: Task) -> Generation:
        """What torch.compile generates for a task on this GPU, with the configurations that it chooses here."""
        if self._device is None:
            return Generation(reason=NO_GPU)
        with self._turn():
            self._progress("torch.compile generates code for the reference")
            return generation.generate(task, self._pools[0], self._settings.limits, self._device.name)

    def _settle_transport(self) -> None:
        """Once, before any candidate has run: see whether CUDA IPC works here, and do without where it does not."""
        if self._settled:
            return
        self._settled = True
        try:
            worker = self._pools[0].take()
            self._trial = try_ipc(worker)
        except WorkerFailure:
            return  # it died, which says nothing of IPC; the evaluation that follows says what is wrong
        if self._trial is None:
            self._confinement.transport = "pinned"
            worker.kill()
        else:
            self._pools[0].put_back(worker)

    def close(self) -> None:
        """End every worker."""
        if self._unmeasured is None:
            self._measured.close()
        for pool in self._pools:
            pool.close()

    def _turn(self) -> AbstractContextManager[None]:
        if self._device is None:
            return nullcontext()
        return lock.hold(self._device.uuid, lambda: self._progress("waiting for another run to leave the GPU"))

    def _progress(self, text: str) -> None:
        self._channel.send({"progress": text})


def _disturbances(device: Device) -> tuple[str, ...]:
    """What every row measured on this GPU must say; raises MachineError where nothing can be measured on it."""
    with open_nvml() as reader:
        return require_usable(reader, device.uuid, device.index, device.name) if reader is not None else ()


def _prepare_gpu() -> int:
    """Make the CUDA context; returns the L2's size in bytes."""
    import torch

    torch.zeros(1, device="cuda")
    return int(torch.cuda.get_device_properties(0).L2_cache_size)


def _software(device: Device | None) -> dict[str, str]:
    import platform

    import torch
    import triton

    versions = {"python": platform.python_version(), "torch": torch.__version__, "triton": triton.__version__}
    return versions | ({"driver": device.driver} if device else {})


def serve(channel: Channel) -> None:
    """Answer requests until the orchestrator closes the channel."""
    first, _ = channel.receive()
    device = Device(**_with_paths(first["device"])) if first["device"] else None
    oracle = None
    try:
        settings = EvaluatorSettings.model_validate(first["settings"])
        oracle = Oracle(settings, device, Gpu.model_validate(first["target"]), channel)
        channel.send({"ready": True})
        while True:
            message, _ = channel.receive()
            channel.send(_answer(oracle, message))
    except WireError:
        return
    except HarnessError as error:
        channel.send(_error(error))
    finally:
        if oracle is not None:
            oracle.close()


def _answer(oracle: Oracle, message: dict[str, Any]) -> dict[str, Any]:
    try:
        if message["do"] == "ceilings":
            return {"ceilings": oracle.ceilings().model_dump_json()}
        if message["do"] == "lint":
            return {"weaknesses": oracle.lint(Task.model_validate_json(message["task"]))}
        if message["do"] == "generate":
            return {"generation": oracle.generate(Task.model_validate_json(message["task"])).model_dump_json()}
        request = Request.model_validate_json(message["request"])
        if message["do"] == "profile":
            profile = oracle.profile(request, tuple(message["metrics"]))
            return {"profile": profile.model_dump_json()}
        return {"verdict": oracle.evaluate(request).model_dump_json()}
    except HarnessError as error:
        return _error(error)


def _error(error: HarnessError) -> dict[str, Any]:
    return {"error": type(error).__name__, "problem": error.problem, "remedy": error.remedy}


def _with_paths(described: dict[str, Any]) -> dict[str, Any]:
    from pathlib import Path

    return described | {"nodes": tuple(Path(node) for node in described["nodes"])}


def main() -> None:
    """Serve the socket whose number is the first argument."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    try:
        serve(channel)
    except Exception as error:  # noqa: BLE001  the boundary of the process: say what happened before it ends
        channel.send({"error": "OracleError", "problem": f"{type(error).__name__}: {error}", "remedy": ""})
        traceback.print_exc()
        sys.exit(3)
