"""The words of a verdict, for those who need no more of it: importing this costs nothing."""

from enum import StrEnum

REDUCED = "reduced-isolation"
"""The first layer of every sandbox in the fallback form: whoever reads the list sees it first."""


class Status(StrEnum):
    """The one-word outcome of an evaluation."""

    VERIFIED = "verified"
    UNCHECKED = "unchecked"
    EXTRACT_ERROR = "extract_error"
    RULE_VIOLATION = "rule_violation"
    COMPILE_ERROR = "compile_error"
    RUNTIME_ERROR = "runtime_error"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    WRONG_OUTPUT = "wrong_output"
    INTEGRITY_VIOLATION = "integrity_violation"
    INFRA_ERROR = "infra_error"
