"""Profiles a verified candidate with Nsight Compute in a sandboxed worker of its own."""

import ast
from pathlib import Path

from evaluator.devices import Device
from evaluator.gpus import Gpu
from evaluator.oracle import ncu
from evaluator.oracle.buffers import Transport
from evaluator.oracle.confinement import Confinement
from evaluator.oracle.correctness import Examination, Violation
from evaluator.oracle.exchange import Mismatch
from evaluator.oracle.reference import Reference
from evaluator.oracle.report import Progress
from evaluator.oracle.worker import WorkerFailure, WorkerHandle
from evaluator.request import EvaluatorSettings, Request
from evaluator.verdict import Profile

_ALWAYS = ("gpu__time_duration.sum",)  # tells which of several kernels matters
_OUTPUT_KB = 8192  # one CSV row a launch, a few kilobytes each
_WARM_CALLS = 2
_EXIT_S = 60.0


class Profiler:
    """Runs Nsight Compute where it is installed and permitted; says why where not."""

    def __init__(self, settings: EvaluatorSettings, target: Gpu, device: Device) -> None:
        self.transport: Transport = "ipc"
        self._settings = settings
        self._target = target
        self._device = device
        self._ncu = ncu.find(settings.ncu)

    def profile(self, request: Request, metrics: tuple[str, ...], progress: Progress) -> Profile:
        """Metrics of the candidate's own kernels from one forward, its tuned configuration pinned."""
        if self._ncu is None:
            reason = "Nsight Compute (ncu) was not found; install it or name it with evaluator.ncu=PATH"
            return Profile(source="static", missing=metrics, reason=reason)
        kernels = own_kernels(request.source)
        if not kernels:
            return Profile(source="static", missing=metrics, reason="the candidate defines no kernel to profile")
        progress("profile")
        try:
            output = self._run(request, ncu.command(self._ncu, dict.fromkeys((*metrics, *_ALWAYS)), kernels))
        except (WorkerFailure, Mismatch, Violation) as error:
            return Profile(source="static", missing=metrics, reason=f"the profiler's run failed: {error}"[:500])
        found = _wanted(ncu.parse(output), kernels, metrics)
        if not found:
            reason = ncu.refusal(output) or f"the profiler saw no launch of {', '.join(kernels)}"
            return Profile(source="static", missing=metrics, reason=reason)
        came_back = set.intersection(*(set(values) for values in found.values()))
        missing = tuple(metric for metric in metrics if metric not in came_back)
        return Profile(source="ncu", kernels=found, missing=missing)

    def _run(self, request: Request, prefix: tuple[str, ...]) -> str:
        """Everything that profiler and worker printed."""
        limits = self._settings.limits.model_copy(update={"output_kb": _OUTPUT_KB})
        folders, form = _folders(Path(prefix[0])), self._settings.sandbox
        confinement = Confinement(limits, self._target, self._device, prefix, folders, form)
        confinement.transport = self.transport
        worker = WorkerHandle("device", confinement, limits)
        reference = Reference(request.task.reference, str(request.task.path), "cuda")
        examination = Examination(request.task, reference, worker, limits)
        try:
            try:
                examination.load(request.source, {"autotune": request.autotune})
                examination.check(1)
                worker.ask({"do": "profile", "calls": _WARM_CALLS}, limits.first_forward_s)
            except WorkerFailure as error:
                refused = ncu.refusal(worker.output())
                raise WorkerFailure(error.kind, refused or error.reason, error.answer) from error
            return worker.finish(_EXIT_S)
        finally:
            examination.close()


def _wanted(
    found: dict[str, dict[str, float]], kernels: tuple[str, ...], metrics: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """What was asked for and the launch's own properties, which come at no cost; not the device's many attributes."""
    return {
        kernel: {
            name: value
            for name, value in values.items()
            if name in metrics or name in _ALWAYS or name.startswith("launch__")
        }
        for kernel, values in found.items()
        if kernel in kernels
    }


def own_kernels(source: str) -> tuple[str, ...]:
    """Names of the functions that the source turns into kernels: those decorated with something called `jit`."""

    def makes_kernel(decorator: ast.expr) -> bool:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return name == "jit"

    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return tuple(node.name for node in functions if any(makes_kernel(each) for each in node.decorator_list))


def _folders(program: Path) -> tuple[Path, ...]:
    """The profiler's own folders, where they are not among what every sandbox has (/usr)."""
    places = {program.resolve().parent, Path("/opt/nvidia")}
    return tuple(place for place in places if place.is_dir() and not place.is_relative_to("/usr"))
