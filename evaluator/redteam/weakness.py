"""What is wrong with a task, found before anything is spent on it."""

from typing import Literal

from evaluator.verdict import Frozen


class Weakness(Frozen):
    """Something that satisfies a task without doing its work.

    `severity` is `fault`; `accepted` where the task's own policy permits it; `unknown` where it could not be tried.
    """

    name: str
    severity: Literal["fault", "accepted", "unknown"]
    message: str
    remedy: str = ""
