"""Lent memory without CUDA IPC: host memory that is copied to and from the GPU."""

import os

import pytest
import torch

from evaluator import machine
from evaluator.inside.memory import Loans
from evaluator.oracle.buffers import Loan
from evaluator.oracle.transport import choose


def test_a_named_transport_is_taken_and_auto_begins_with_ipc_but_in_wsl() -> None:
    assert choose("ipc") == "ipc"
    assert choose("pinned") == "pinned"
    assert choose("auto") == ("pinned" if machine.is_wsl() else "ipc")


def test_where_memory_is_shared_arguments_are_that_memory() -> None:
    loan, loans, place = lend(Loan("cpu"), torch.randn(5, 7), "cpu")
    loan.tensor(place).fill_(3.0)
    argument = loans.argument(place)
    assert argument.data_ptr() == loans.tensor(place).data_ptr()
    loan.tensor(place).fill_(4.0)
    assert bool((argument == 4.0).all())
    copy = loan.copy(place)
    argument.zero_()
    assert bool((copy == 4.0).all())
    loan.close()


@pytest.mark.gpu
@pytest.mark.parametrize("tensor", [torch.randn(5, 7), torch.randn(7, 5).t(), torch.arange(11)])
def test_pinned_arguments_are_copies_that_keep_their_address(tensor: torch.Tensor) -> None:
    torch.zeros(1, device="cuda")
    loan, loans, place = lend(Loan("cuda", "pinned"), tensor, "cuda")
    loan.tensor(place).copy_(tensor.cuda())
    first = loans.argument(place)
    assert (first.device.type, first.stride()) == ("cuda", tensor.stride())
    assert torch.equal(first.cpu(), tensor)
    loan.tensor(place).zero_()
    assert torch.equal(first.cpu(), tensor)
    loans.refresh([place["buffer"]])
    assert not first.any()
    assert loans.argument(place).data_ptr() == first.data_ptr()
    first.fill_(1)
    loans.give_back([place])
    assert bool((loan.copy(place) == 1).all())
    assert loan.copy(place).device.type == "cuda"
    loans.close()  # else the next case maps its memory where this one's is still pinned
    loan.close()


@pytest.mark.gpu
def test_a_pinned_ring_costs_the_oracle_the_copies_of_inputs_as_well() -> None:
    torch.zeros(1, device="cuda")
    loan = Loan("cuda", "pinned")
    inputs, outputs = (loan.pack([torch.zeros(1 << 10)] * 3) for _ in range(2))
    room = loan.room(outputs, inputs)
    for number, place in enumerate(outputs):
        loan.tensor(place).fill_(number)
    room.fill()
    loan.poison(outputs[0])
    room.hand_over()
    torch.cuda.synchronize()
    assert [int(loan.tensor(place)[0]) for place in outputs] == [0, 1, 2]
    assert [staged.device.type for staged, _ in room._staged] == ["cuda"]
    loan.close()


@pytest.mark.gpu
def test_outputs_of_a_ring_are_collected_on_the_gpu_and_sent_in_one_copy() -> None:
    torch.zeros(1, device="cuda")
    loan = Loan("cuda", "pinned")
    places = loan.pack([torch.zeros(5)] * 3)
    loan.poison(places[0])
    loans = opened(loan, "cuda")
    for number in (0, 2):
        loans.here(places[number]).fill_(number)
    assert loans.here(places[0]).device.type == "cuda"
    loans.send({place["buffer"] for place in places})
    torch.cuda.synchronize()
    assert [float(loan.tensor(place)[0]) for place in (places[0], places[2])] == [0.0, 2.0]
    assert loan.tensor(places[1]).isnan().all(), "what nobody put there shows"
    loans.close()
    loan.close()


def lend(loan: Loan, like: torch.Tensor, device: str) -> tuple[Loan, Loans, dict[str, object]]:
    place = loan.place(like)
    return loan, opened(loan, device), place


def opened(loan: Loan, device: str) -> Loans:
    message, fds = loan.announcement()
    loans = Loans(device)
    loans.open(message["buffers"], tuple(os.dup(fd) for fd in fds))
    return loans
