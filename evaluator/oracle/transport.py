"""How tensors cross between oracle and worker on a GPU (P5), and whether this machine can do it so."""

from typing import Literal

import torch

from evaluator import machine
from evaluator.inside.memory import CudaFailure
from evaluator.oracle.buffers import Loan, Transport
from evaluator.oracle.worker import WorkerFailure, WorkerHandle

ON_ROW: dict[Transport, str] = {"ipc": "cuda-ipc", "pinned": "pinned-host"}


def choose(setting: Literal["auto", "ipc", "pinned"]) -> Transport:
    """The transport to begin with: `auto` is CUDA IPC, but for WSL2, which has none."""
    if setting == "auto":
        return "pinned" if machine.is_wsl() else "ipc"
    return setting


def try_ipc(worker: WorkerHandle) -> Loan | None:
    """Lend a worker one small buffer by CUDA IPC; None if this machine refuses that.

    To be asked of a worker that has met no candidate: of any other the refusal would be a candidate's word. The loan
    must outlive the worker.

    Raises:
        WorkerFailure: the worker died or did not answer.
    """
    try:
        loan = Loan("cuda", "ipc")
        loan.place(torch.empty(1))
        message, fds = loan.announcement()
    except CudaFailure:
        return None
    try:
        worker.ask(message, timeout_s=30.0, fds=fds)
    except WorkerFailure as failure:
        if failure.kind != "failed":
            raise
        return None
    return loan
