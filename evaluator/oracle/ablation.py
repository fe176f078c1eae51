"""What becomes of the output if the candidate's kernels are left out? A second worker of the candidate finds out."""

import copy
from typing import Any, Literal, Self

from evaluator.oracle.charges import Mismatch, Violation
from evaluator.oracle.correctness import Examination
from evaluator.oracle.draws import fresh_seed
from evaluator.oracle.integrity import Integrity, read_claim
from evaluator.oracle.sequence import alike
from evaluator.oracle.worker import WorkerFailure, WorkerHandle
from evaluator.request import Limits

_EVERY = "*"
_REMEDY = "Let no address or loop depend on what a kernel wrote, where that is possible."

Outcome = Literal["broken", "unchanged", "failed"]


class Ablation:
    """A second worker of a verified candidate, in which some of its kernels are left out; a context manager.

    Args:
        verified: the examination that was passed; its first draw says what the output should be.
        worker: taken by the ablation; killed at the end.
        source: the candidate's, as it was verified.
        autotune: the tuned configuration, pinned.
    """

    def __init__(
        self, verified: Examination, worker: WorkerHandle, source: str, autotune: dict[str, Any], limits: Limits
    ) -> None:
        assert verified.judged is not None
        self._verified = verified
        self._judged = verified.judged
        self._source = source
        self._autotune = autotune
        self._limits = limits
        self.trial = Examination(verified.task, verified.reference, worker, limits)

    def __enter__(self) -> Self:
        try:
            self.trial.load(self._source, {"autotune": self._autotune}, twin=self._verified)
            self.trial.exchange.prepare(copy.deepcopy(self._judged.model), fresh_seed())
        except BaseException:
            self.trial.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.trial.close()

    def run(self, integrity: Integrity, negligible: float) -> None:
        """Leave out all kernels, then each of several alone; `negligible` is that of `Integrity.read_claims`.

        Raises:
            Violation: the output stays right without any of the kernels, or a claim convicts the candidate.
            WorkerFailure: a claim can't be read.
        """
        exchange = self.trial.exchange
        outcome = self._without(_EVERY)
        launched = read_claim(exchange.claims[-1]).launched if exchange.claims else {}
        integrity.read_claims(self.trial, negligible)  # what torch did says more than an outcome
        names = " and ".join(sorted(launched)) or "the candidate's kernels"
        if outcome == "unchanged":
            raise Violation(f"the output is right without {names}: something else does the work")
        integrity.ablated = outcome == "broken"
        if outcome == "failed":
            integrity.add(
                "ablation", f"Without {names} the worker crashed or hung, so its output was not seen.", _REMEDY
            )
        elif len(launched) > 1:
            self._each(sorted(launched), integrity)

    def whole(self) -> None:
        """One forward with all kernels, on inputs that have not been seen, observed.

        Raises:
            WorkerFailure, Mismatch: it failed.
        """
        self.trial.exchange.fill(fresh_seed())
        self.trial.exchange.forward(0, self._limits.first_forward_s, observe=True)

    def _each(self, names: list[str], integrity: Integrity) -> None:
        for name in names:
            try:
                self.whole()  # what was left out before is in its place again, and memory holds other inputs' results
            except (WorkerFailure, Mismatch) as error:  # garbage of the kernel before may have broken the GPU's context
                integrity.add("ablation", f"Leaving out single kernels ended before {name}: {error}"[:300], _REMEDY)
                return
            outcome = self._without(name)
            if outcome == "failed":
                return
            if outcome == "unchanged":
                integrity.add(
                    "unused-kernel",
                    f"The output is the same without kernel {name}.",
                    "Remove the kernel and its launch.",
                )

    def _without(self, name: str) -> Outcome:
        """What becomes of the first draw's output if this kernel (`*`: all) is not launched."""
        exchange = self.trial.exchange
        exchange.fill(self._judged.seed)
        try:
            exchange.forward(0, self._limits.first_forward_s, stub=[name])
        except Mismatch:
            return "broken"
        except WorkerFailure as error:
            return "broken" if error.kind == "failed" else "failed"
        same = alike(exchange.take(), self._judged.outputs, self._verified.task.tolerance)
        return "unchanged" if same else "broken"
