import os
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from evaluator.inside.memory import Loans
from evaluator.oracle.buffers import Loan


def open_elsewhere(loan: Loan) -> Loans:
    """The worker's view of a loan; descriptors are duplicated, as sending them does."""
    message, fds = loan.announcement()
    loans = Loans()
    loans.open(message["buffers"], tuple(os.dup(fd) for fd in fds))
    return loans


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(5, 7),
        torch.randn(7, 5).t(),
        torch.arange(11),
        torch.tensor([True, False]),
        torch.randn(3, 3).bfloat16(),
        torch.tensor(2.5),
        torch.randn(4, 1).expand(4, 6),
        torch.empty(0, 3),
    ],
    ids=["matrix", "transposed", "integers", "booleans", "bfloat16", "scalar", "expanded", "empty"],
)
def test_what_one_side_writes_the_other_reads(tensor: torch.Tensor) -> None:
    loan = Loan("cpu")
    place = loan.place(tensor)
    loan.tensor(place).copy_(tensor)
    seen = open_elsewhere(loan).tensor(place)
    assert seen.shape == tensor.shape
    assert seen.dtype == tensor.dtype
    assert torch.equal(seen, tensor)
    seen.zero_()
    assert not loan.tensor(place).any()
    loan.close()


def test_strides_survive() -> None:
    loan = Loan("cpu")
    place = loan.place(torch.randn(7, 5).t())
    assert loan.tensor(place).stride() == (1, 5)


def test_poison_is_nan() -> None:
    loan = Loan("cpu")
    place = loan.place(torch.zeros(9))
    loan.poison(place)
    assert bool(torch.isnan(loan.tensor(place)).all())


def test_a_borrower_can_not_shrink_what_it_was_lent() -> None:
    loan = Loan("cpu")
    loan.place(torch.zeros(5000))
    _, fds = loan.announcement()
    with pytest.raises(PermissionError):
        os.ftruncate(fds[0], 0)


def test_each_buffer_is_announced_once() -> None:
    loan = Loan("cpu")
    loan.place(torch.zeros(3))
    assert len(loan.announcement()[0]["buffers"]) == 1
    loan.place(torch.zeros(3))
    assert [entry["id"] for entry in loan.announcement()[0]["buffers"]] == [1]


class Copies(TorchDispatchMode):
    """Counts the copies that are made."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.made += func is torch.ops.aten.copy_.default
        return func(*args, **(kwargs or {}))


def test_a_ring_is_copied_once_and_not_once_for_each_slot() -> None:
    loan = Loan("cpu")
    first = loan.place(torch.zeros(3))
    ring = loan.pack([torch.zeros(3)] * 20)
    room = loan.room([first, *ring])
    for number, place in enumerate((first, *ring)):
        loan.tensor(place).fill_(number)
    with Copies() as copies:
        room.fill()
    assert copies.made == 2
    loan.tensor(ring[7]).zero_()
    assert [int(tensor[0]) for tensor in room.tensors()] == list(range(21)), "the oracle's own"
    room.fill()
    assert int(room.tensors()[8][0]) == 0


def test_a_new_room_holds_what_the_lent_memory_does() -> None:
    loan = Loan("cpu")
    outputs = loan.pack([torch.zeros(3)] * 5)
    for number, place in enumerate(outputs):
        loan.tensor(place).fill_(number)
    room = loan.room(outputs)
    room.hand_over()
    assert [int(tensor[0]) for tensor in room.tensors()] == list(range(5))
    assert [int(loan.tensor(place)[0]) for place in outputs] == list(range(5)), "and nothing of the oracle's"


def test_the_oracle_makes_the_copies_that_a_worker_makes_beside_its_forwards() -> None:
    loan = Loan("cpu")
    inputs, outputs = (loan.pack([torch.zeros(3)] * 5) for _ in range(2))
    room = loan.room(outputs, inputs)
    for place in outputs:
        loan.tensor(place).fill_(7)
    room.fill()
    for place in outputs:
        loan.poison(place)
    with Copies() as copies:
        room.hand_over()
    assert all(loan.tensor(place).eq(7).all() for place in outputs)
    assert copies.made == 0, "outputs are copied together, and inputs only where a worker has to bring them to a GPU"
