"""What is wrong with a task, found before anything is spent on it."""

from typing import Literal

from evaluator.frozen import Frozen

Severity = Literal["fault", "warning", "accepted", "unknown"]


class Weakness(Frozen):
    """Something that satisfies a task without doing its work.

    `severity` is `fault`; `warning` where it satisfies the task's own inputs, but not others derived from them;
    `accepted` where the task's own policy permits it; `unknown` where it could not be tried.
    """

    name: str
    severity: Severity
    message: str
    remedy: str = ""
