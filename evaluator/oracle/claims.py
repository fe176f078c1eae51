"""The form of what a worker says. It comes from a process that a candidate shares and can change, so every part is
looked at before the oracle uses it: a malformed answer costs the candidate, not the oracle.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from evaluator.inside.wire import Message
from evaluator.verdict import KernelFacts

_MOST = 4096  # kernels, tensors, notes: more than any honest module has


class _Claim(BaseModel):
    """What else is in a claim is its reader's business."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Parameter(_Claim):
    kind: Literal["parameter", "buffer"]
    name: str
    shape: list[int]
    dtype: str


class _Output(_Claim):
    shape: list[int]
    dtype: str
    device: str = ""


class _Kernel(_Claim):
    name: str
    registers: int | None = Field(default=None, ge=0, le=2**20)
    spill_bytes: int | None = Field(default=None, ge=0)
    shared_bytes: int | None = Field(default=None, ge=0, le=2**40)
    num_warps: int | None = Field(default=None, ge=1, le=1024)
    num_stages: int | None = Field(default=None, ge=0)


class _Writer(_Claim):
    kernel: str
    program: list[int] = Field(min_length=1, max_length=3)
    grid: list[int] = Field(min_length=1, max_length=3)


_PARTS: dict[str, TypeAdapter[Any]] = {
    "parameters": TypeAdapter(list[_Parameter]),
    "outputs": TypeAdapter(list[_Output]),
    "kernels": TypeAdapter(list[_Kernel]),
    "writers": TypeAdapter(list[_Writer]),
    "autotune": TypeAdapter(dict[str, Any]),
    "notes": TypeAdapter(list[str]),
    "structure": TypeAdapter(dict[str, Any]),
    "bases": TypeAdapter(list[str]),
}


class Malformed(Exception):
    """A worker's answer is not of the form that the protocol asks for; the message says where."""


def check(answer: Message) -> None:
    """Look at the parts of an answer that the oracle takes to pieces.

    Raises:
        Malformed: a part has another form than an honest worker gives it.
    """
    for name, form in _PARTS.items():
        if name not in answer:
            continue
        if isinstance(answer[name], list) and len(answer[name]) > _MOST:
            raise Malformed(f"{name} has {len(answer[name])} entries")
        try:
            form.validate_python(answer[name])
            for kernel in answer[name] if name == "kernels" else ():
                KernelFacts.model_validate({key: kernel[key] for key in KernelFacts.model_fields if key in kernel})
        except (ValidationError, RecursionError) as error:
            first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "too deep"}
            place = ".".join(str(part) for part in (name, *first["loc"]))
            raise Malformed(f"{place[:100]}: {first['msg']}") from error
