"""What a candidate is charged with, beyond the failures of its worker (`worker.WorkerFailure`)."""

from typing import TYPE_CHECKING

from evaluator.verdict import NumericError

if TYPE_CHECKING:
    from evaluator.oracle.correctness import Examination


class Violation(Exception):
    """The candidate did something that no honest kernel does; the message says what."""


class Mismatch(Exception):
    """The candidate's output is not what the reference's is; the message says how."""


class WrongOutput(Mismatch):
    """Values are wrong; `error` has the measured errors, `examination` what was compared, where values were."""

    def __init__(self, problem: str, error: NumericError, examination: "Examination | None" = None) -> None:
        super().__init__(problem)
        self.error = error
        self.examination = examination
