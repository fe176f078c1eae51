"""Profiles a verified candidate with Nsight Compute in a sandboxed worker of its own."""

import ast
from collections.abc import Mapping

from evaluator.devices import Device
from evaluator.gpus import Gpu
from evaluator.oracle import ncu, ncu_table
from evaluator.oracle.buffers import Transport
from evaluator.oracle.charges import Mismatch, Violation
from evaluator.oracle.instruments import Instrument, Instruments
from evaluator.oracle.ncu_table import DURATION
from evaluator.oracle.report import Progress
from evaluator.oracle.worker import WorkerFailure
from evaluator.request import EvaluatorSettings, Request
from evaluator.verdict import Profile

_OUTPUT_KB = 8192  # one CSV row a launch, a few kilobytes each
_WARM_CALLS = 2
_EXIT_S = 60.0
_GIVE_TIME = "evaluator.limits.first_forward_s gives it more time, evaluator.ncu=none does without"


class Profiler:
    """Runs Nsight Compute where it is installed and permitted; says why where not."""

    def __init__(self, settings: EvaluatorSettings, target: Gpu, device: Device) -> None:
        self.transport: Transport = "ipc"
        self._settings = settings
        self._instruments = Instruments(target, device, settings.sandbox)
        self._ncu = ncu.find(settings.ncu)

    def profile(self, request: Request, metrics: tuple[str, ...], progress: Progress) -> Profile:
        """Metrics of the candidate's own kernels from one forward, its tuned configuration pinned."""
        if self._ncu is None:
            reason = "Nsight Compute (ncu) was not found; install it or name it with evaluator.ncu=PATH"
            return Profile(source="static", missing=metrics, reason=reason)
        kernels = own_kernels(request.source)
        kernels = tuple(name for name in kernels if not request.kernels or name in request.kernels)
        if not kernels:
            return Profile(source="static", missing=metrics, reason="the candidate defines no kernel to profile")
        progress("profile")
        strange = ncu.unknown(self._ncu, metrics)
        asked = tuple(dict.fromkeys((*(metric for metric in metrics if metric not in strange), DURATION)))
        try:
            output, code = self.run(request, ncu.command(self._ncu, asked, kernels))
        except (WorkerFailure, Mismatch, Violation) as error:
            slow = isinstance(error, WorkerFailure) and error.kind == "timeout"
            reason = f"the profiler's run failed: {error}"[:500] + (f"; {_GIVE_TIME}" if slow else "")
            return Profile(source="static", missing=metrics, reason=reason)
        profile = read_profile(output, code, kernels, metrics)
        unknown = f"ncu {ncu.version(self._ncu)} does not know {', '.join(strange)} on this GPU: left out"
        return profile.model_copy(update={"notes": (*([unknown] if strange else []), *profile.notes)})

    def run(self, request: Request, prefix: tuple[str, ...]) -> tuple[str, int | None]:
        """Everything that profiler and worker printed, and how it ended (None: it had to be stopped)."""
        limits = self._settings.limits.model_copy(update={"output_kb": _OUTPUT_KB})
        instrument = Instrument(prefix, ncu.ENVIRONMENT, limits, self.transport)
        examination = self._instruments.start(instrument, request.task, {})
        worker = examination.worker
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


def read_profile(output: str, code: int | None, kernels: tuple[str, ...], metrics: tuple[str, ...]) -> Profile:
    """The profile in what profiler and worker printed; without a table the reason why there is none.

    Args:
        code: exit code; None if the profiler had to be stopped.
        kernels: whose launches were asked for.
        metrics: what was asked for; each that did not come back is named, by kernel.
    """
    launches = ncu_table.parse(output)
    found = ncu_table.representatives(launches, kernels)
    if not found:
        return Profile(source="static", missing=metrics, reason=_why_nothing(output, code, kernels))
    missing_of = {
        name: absent
        for name, (launch, _) in found.items()
        if (absent := tuple(metric for metric in metrics if metric not in launch.metrics))
    }
    notes = [f"no launch of {name} was seen, under this name at least" for name in kernels if name not in found]
    notes += [
        f"{name} was launched {count} times; the figures are those of the longest launch"
        for name, (_, count) in found.items()
        if count > 1
    ]
    if len(launches) >= ncu.MOST_LAUNCHES:
        notes.append(f"only the first {ncu.MOST_LAUNCHES} launches of the forward were profiled")
    return Profile(
        source="ncu",
        kernels={name: _wanted(launch.metrics, metrics) for name, (launch, _) in found.items()},
        launches={name: count for name, (_, count) in found.items()},
        missing=tuple(metric for metric in metrics if any(metric in absent for absent in missing_of.values())),
        missing_of=missing_of,
        notes=tuple(notes),
    )


def _why_nothing(output: str, code: int | None, kernels: tuple[str, ...]) -> str:
    if refused := ncu.refusal(output):
        return refused
    if code is None:
        return f"the profiler did not end within {_EXIT_S:.0f} s and was stopped; {_GIVE_TIME}"
    if code != 0:
        return f"the profiler ended with exit code {code} and without a table; evaluator.ncu=none does without it"
    return f"the profiler saw no launch of {', '.join(kernels)}"


def _wanted(values: Mapping[str, float], metrics: tuple[str, ...]) -> dict[str, float]:
    """What was asked for and the launch's own properties, which come at no cost; not the device's many attributes."""
    return {
        name: value
        for name, value in values.items()
        if name in metrics or name == DURATION or name.startswith("launch__")
    }


def own_kernels(source: str) -> tuple[str, ...]:
    """Names of the functions that the source turns into kernels: those decorated with something called `jit`."""

    def makes_kernel(decorator: ast.expr) -> bool:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return name == "jit"

    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return tuple(node.name for node in functions if any(makes_kernel(each) for each in node.decorator_list))
