"""Static facts for GPUs that are not here: what a candidate's forward launches, compiled for each of them.

Every target has a sandboxed worker of its own, which no GPU is lent to. Nothing is said about a time.
"""

from evaluator.errors import UsageError
from evaluator.gpus import Gpu
from evaluator.oracle.compiling import Forwards
from evaluator.oracle.confinement import Confinement
from evaluator.oracle.report import Progress, kernels_on
from evaluator.oracle.worker import WorkerFailure, WorkerHandle
from evaluator.request import Limits, Request
from evaluator.verdict import Elsewhere


class Compilers:
    """Compiles for other targets than the one that candidates are judged on."""

    def __init__(self, confinement: Confinement, limits: Limits) -> None:
        self._confinement = confinement
        self._limits = limits
        self._forwards = Forwards()

    def facts(self, request: Request, progress: Progress) -> tuple[Elsewhere, ...]:
        """One entry for each GPU of `request.also`, in that order; why there are no facts where there are none."""
        return tuple(self._on(gpu, request, progress) for gpu in request.also)

    def _on(self, gpu: Gpu, request: Request, progress: Progress) -> Elsewhere:
        progress(f"compiling for {gpu.title}")
        try:
            message = self._forwards.message(request)
        except UsageError as error:
            return Elsewhere(target=gpu.name, reason=error.problem)
        worker = WorkerHandle("compile", self._confinement.on_target(gpu), self._limits)
        try:
            answer = worker.ask(message, self._limits.compile_s)
        except WorkerFailure as failure:
            return Elsewhere(target=gpu.name, reason=failure.reason)
        finally:
            worker.kill()
        small = answer["sizes"] != "true"
        return Elsewhere(
            target=gpu.name,
            kernels=kernels_on(gpu, answer["kernels"]),
            reason="compiled at small sizes" if small else "",
        )
