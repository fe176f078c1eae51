"""Is the candidate right? Fresh secret inputs for every draw, judged on the oracle's own copy of the outputs."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from evaluator.inside.model import named_tensors, set_precision
from evaluator.inside.tree import dtype_name
from evaluator.oracle.buffers import Loan
from evaluator.oracle.charges import Mismatch, Violation, WrongOutput
from evaluator.oracle.draws import Draw, fresh_seed
from evaluator.oracle.exchange import Exchange, Slot
from evaluator.oracle.judging import Judge
from evaluator.oracle.numerics import Comparison
from evaluator.oracle.precision import finding, suspicion
from evaluator.oracle.reference import Reference
from evaluator.oracle.truth import Expected
from evaluator.oracle.weights import Weights, indistinct, match, perturb
from evaluator.oracle.worker import Unjudgeable, WorkerFailure, WorkerHandle
from evaluator.request import Limits
from evaluator.tasks import Task
from evaluator.verdict import KernelFacts, NumericError

_REPEATS = 2  # of one draw, on the same input


@dataclass(frozen=True)
class Effort:
    """What a check may cost: wall seconds for derived distributions, and memory (None: all there is)."""

    derived_s: float = 4.0
    memory_cap_gb: float | None = None


@dataclass(frozen=True)
class Judged:
    """The first draw of a check: its seed, the candidate's outputs, and the reference's module as it was before it."""

    seed: int
    outputs: list[torch.Tensor]
    model: torch.nn.Module


@dataclass(frozen=True)
class Wrong:
    """A draw that came out wrong, with the candidate's outputs for it."""

    draw: Draw
    outputs: list[torch.Tensor]


class Examination:
    """One candidate's worker, what it was lent, and the reference that it is judged by.

    Args:
        reference: executed at the sizes of this check.
        worker: taken by this examination; killed when it closes.
        loan: what the worker was lent by another examination, which will close both.
    """

    def __init__(
        self,
        task: Task,
        reference: Reference,
        worker: WorkerHandle,
        limits: Limits,
        effort: Effort = Effort(),
        loan: Loan | None = None,
    ) -> None:
        self.task = task
        self.reference = reference
        self.worker = worker
        self._limits = limits
        self._effort = effort
        self.exchange = Exchange(reference, worker, limits, str(task.path), loan)
        self.weights = Weights(self.exchange, worker, limits.forward_s)
        self.judged: Judged | None = None
        self.wrong: Wrong | None = None
        self._seed = fresh_seed()
        self._model: torch.nn.Module = torch.nn.Identity()
        self._judge = Judge(task, reference, effort.memory_cap_gb)
        self._options: dict[str, Any] = {}
        self._calls = 0
        self.compile_s = 0.0  # wall seconds of the first forward at each size: compilation, tuning, one run

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the verdict should know."""
        return tuple(self._judge.notes)

    def note(self, text: str) -> None:
        """Have a reader of the verdict know this too."""
        self._judge.note(text)

    def load(self, source: str, options: dict[str, Any], twin: "Examination | None" = None) -> None:
        """Have the worker build the module and give it the reference's weights, perturbed.

        Args:
            source: the candidate's source, or the reference's for a baseline.
            options: what the worker's `load` takes beyond that: `class`, `autotune`, `compile`.
            twin: another examination of the same source, after its check; this one gets the same weights.

        Raises:
            WorkerFailure: the candidate can't be imported or constructed.
        """
        self._options = options
        if twin is not None:
            self._seed = twin._seed
        message = {"do": "load", "source": source, "init": self.reference.init, "seed": self._seed}
        message |= {"class": "ModelNew", "precision": self.task.precision.model_dump()} | options
        claimed = self.worker.ask(message, self._limits.first_forward_s)["parameters"]
        self._model = self.reference.model(self._seed)
        self.weights.mapping = mapping = match(self._model, claimed)
        if mapping.note:
            self._judge.note(mapping.note)
        if mapping.how == "by seed" and (hidden := indistinct(self._model)):
            raise Unjudgeable(
                f"{mapping.note}, so only its own seed gives it weights, and with {', '.join(hidden)} constant by "
                f"default a kernel that ignores them would pass; give the parameters the reference's names or order"
            )
        if mapping.names:
            if twin is not None and twin.judged is not None:
                self._model = twin.judged.model
            else:
                perturb(self._model, fresh_seed())
            self.weights.send(self._model)

    def check(self, draws: int) -> NumericError:
        """Compare the candidate's outputs on at least `draws` fresh inputs: the task's own, and if `draws` is more than
        one, also others derived from them, one with repeats on the same input.

        Raises:
            Mismatch: an output is missing, has another shape or dtype, or is wrong.
            WorkerFailure: the candidate failed.
        """
        set_precision(self.task.precision.model_dump())
        comparison = Comparison(self.task.bounds)
        self.exchange.prepare(copy.deepcopy(self._model), fresh_seed())
        for distribution in self._judge.schedule(draws, comparison, self._effort.derived_s):
            self._draw(comparison, Draw(distribution, fresh_seed()))
            if comparison.problem:
                break
        if self.weights.has_buffers(self._model) and not comparison.problem:
            comparison.distribution = "own"
            self.weights.compare_buffers(comparison, self._model)
        if self.reference.device == "cuda":
            torch.cuda.empty_cache()  # gigabytes of truth, which timing has no use for
        error = comparison.result()
        if comparison.problem:
            seen = suspicion(error) if self.float32 else ""
            raise WrongOutput(
                comparison.problem + (f"; like TF32, 16 bits or an approximated function: {seen}" if seen else ""),
                error,
                self,
            )
        return error

    def check_at(self, name: str, reference: Reference) -> None:
        """Have the loaded module built once more for other sizes, and compare one draw.

        Args:
            name: the sizes, for messages.
            reference: at these sizes.

        Raises:
            Mismatch, WorkerFailure, Violation: as `check` does; the message names the sizes.
        """
        there = Examination(self.task, reference, self.worker, self._limits, self._effort, self.exchange.loan)
        try:
            there.load("", self._options | {"beside": True})
            there.check(1)
            self.worker.ask({"do": "resume"}, self._limits.forward_s)
        except WorkerFailure as failure:
            raise WorkerFailure(failure.kind, f"at {name}: {failure.reason}", failure.answer) from failure
        except WrongOutput as wrong:
            raise WrongOutput(f"at {name}: {wrong}", wrong.error, wrong.examination) from wrong
        except (Mismatch, Violation) as error:
            raise type(error)(f"at {name}: {error}") from error
        finally:
            self.compile_s += there.compile_s

    def judge_precision(self, error: NumericError, kernels: Sequence[KernelFacts]) -> None:
        """Is a float32 task computed in less, by the errors that were measured and the code that was compiled?

        Raises:
            WrongOutput: it is, and the task does not permit it.
        """
        text, refused = finding(self.task, self.float32, error, kernels)
        if refused:
            raise WrongOutput(f"{text}; the task would have to permit it (precision.allow_reduced)", error)
        if text:
            self._judge.note(text)

    @property
    def float32(self) -> bool:
        """All inputs, weights and outputs that are floating are float32 or wider, and one is float32."""
        weights = {dtype_name(tensor.dtype) for _, _, tensor in named_tensors(self._model)}
        floating = {name for name in weights | set(self.exchange.dtypes) if "float" in name}
        return "float32" in floating and floating <= {"float32", "float64"}

    def confirm(self, inputs: list[Any], got: list[torch.Tensor], slot: Slot) -> None:
        """Outputs of a timed forward must be right as well, and its inputs, which lie in `slot`, as they should be.

        Raises:
            Mismatch: the outputs are not.
            Violation: the inputs are not.
        """
        model = copy.deepcopy(self._model)
        if problem := self._judge.confirm(model, inputs, got, " of a timed forward").problem:
            raise Mismatch(problem)
        if self.exchange.changed_input(inputs, slot) is None:
            return
        self.reference.run(copy.deepcopy(self._model), inputs)  # it may work in place itself
        if (index := self.exchange.changed_input(inputs, slot)) is not None:
            raise Violation(f"input {index} of a timed forward was changed by the candidate")

    def strangest(self, seeds: Sequence[int], got: Sequence[list[torch.Tensor]], count: int) -> list[int]:
        """Which `count` of several forwards differ most from the reference's; see `Judge.strangest`."""
        return self._judge.strangest(self._model, seeds, got, count)

    def expected(self, draw: Draw) -> Expected | None:
        """What is right for a draw; None where the module's buffers change with every call."""
        if self._judge.stateful:
            return None
        return self._judge.expected(copy.deepcopy(self._model), draw)

    def writers(self, draw: Draw, output: int, element: int) -> list[dict[str, Any]]:
        """Which programs write one element (row-major) of an output, as the worker claims after one more forward.

        Only the interpreter knows. Raises WorkerFailure and Mismatch as `check` does.
        """
        self.run_again(draw, trace=[output, element])
        found = self.exchange.claims[-1].get("writers", [])
        return list(found)

    def run_again(self, draw: Draw, **options: Any) -> None:
        """One more forward on a draw; `options` as for `Exchange.forward`. Raises WorkerFailure and Mismatch."""
        self.exchange.put(draw.inputs(self.reference) or [])
        self.exchange.forward(self._calls - 1, self._limits.forward_s, **options)

    def close(self) -> None:
        """Kill the worker, then take the lent memory back."""
        self.worker.kill()
        self.exchange.close()

    def _draw(self, comparison: Comparison, draw: Draw) -> None:
        inputs = draw.inputs(self.reference)
        if inputs is None:  # there is nothing to shift or to thin out; and what is signed already needs no word
            signed = draw.distribution == "signed"
            self._judge.leave_out(draw, "" if signed else "the task's own hold nothing that could be changed")
            return
        self.exchange.put(inputs)
        del inputs
        try:
            self._forward()
        except WorkerFailure as failure:
            if draw.distribution == "own":
                raise
            if failure.kind == "failed" and not self._judge.meaningful(copy.deepcopy(self._model), draw):
                return
            raise WorkerFailure(failure.kind, f"{draw.place}{failure.reason}", failure.answer) from failure
        outputs = self.exchange.take()
        if self.judged is None:
            self.judged = Judged(draw.seed, outputs, copy.deepcopy(self._model))
        if comparison.draws == 1 and draw.distribution == "own":
            self._repeat(comparison, draw, outputs)
        self._judge.judge(comparison, self._model, draw, outputs, self._check_inputs)
        if comparison.problem:
            self.wrong = Wrong(draw, outputs)

    def _forward(self) -> None:
        """One call on what was lent; the first one compiles and tunes."""
        began = time.monotonic()
        self.exchange.forward(self._calls, self._limits.forward_s if self._calls else self._limits.first_forward_s)
        if not self._calls:
            self.compile_s += time.monotonic() - began
        self._calls += 1
        changed = self.exchange.claims[-1].get("flags")
        for name, values in changed.items() if isinstance(changed, dict) else ():
            self._judge.note(f"changed-global-flags: {name} {values}"[:200])

    def _repeat(self, comparison: Comparison, draw: Draw, outputs: list[torch.Tensor]) -> None:
        """The same input again must give the same bits: what a race leaves behind differs."""
        if self._judge.stateful:
            self._judge.note("not repeated on the same input: the module's buffers change with every call")
            return
        for _ in range(_REPEATS):
            self.run_again(draw)
            for index, (first, again) in enumerate(zip(outputs, self.exchange.take(), strict=True)):
                comparison.repeated(f"output {index}", first, again)
        if comparison.repeat_spread > 0 and not comparison.problem:
            spread = f"{comparison.repeat_spread:.2g}"
            self._judge.note(f"not deterministic: runs on the same input differ by up to {spread} of the output's size")

    def _check_inputs(self, inputs: list[Any]) -> None:
        """What the candidate was lent must be as the reference leaves its inputs."""
        if (index := self.exchange.changed_input(inputs)) is not None:
            raise Violation(f"input {index} was changed by the candidate")
