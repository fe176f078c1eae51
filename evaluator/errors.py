"""The tree of exceptions of the whole project.

A candidate's failure is data (a `Verdict`), never an exception. What is raised here is a fault of the person's input or
of the machine, said in words for a person: what happened, where, and what to do.

    HarnessError               exit code 3
    |-- UsageError             exit code 2: an unknown name, a bad file, an ambiguous ID
    |-- MachineError           this machine lacks something: bubblewrap, user namespaces, a driver, disk space
    |-- OracleError            the trusted evaluation process failed or broke its protocol
    |-- StoreError             the database or its files can't be read or written
    `-- ModelError             the language model's server can't be used
"""


class HarnessError(Exception):
    """A failure of ours or of the machine.

    Args:
        problem: what happened and where, one sentence.
        remedy: what the person can do about it, one sentence; empty if nothing is known.
    """

    exit_code = 3

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem if not remedy else f"{problem}\n{remedy}")
        self.problem = problem
        self.remedy = remedy


class UsageError(HarnessError):
    """The person asked for something that does not exist or does not fit."""

    exit_code = 2


class MachineError(HarnessError):
    """This machine lacks something that the work needs."""


class OracleError(HarnessError):
    """The trusted evaluation process failed or answered out of turn."""


class StoreError(HarnessError):
    """The database or the files beside it can't be read or written."""


class ModelError(HarnessError):
    """The language model's server can't be reached or refuses the request."""
