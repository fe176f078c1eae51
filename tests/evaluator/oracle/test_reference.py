"""The reference's inputs come from their seed alone."""

import torch

from evaluator.oracle.reference import Reference

SOURCE = """
import torch

class Model(torch.nn.Module):
    def forward(self, x, order):
        return x[order]

def get_inputs():
    return [torch.randn(5, 3), torch.randperm(5)]

def get_init_inputs():
    return []
"""


def test_a_seed_gives_what_torch_gives_for_it() -> None:
    reference = Reference(SOURCE, "five.py", "cpu")
    first, order = reference.inputs(2**61 + 7)
    reference.inputs(3)
    torch.manual_seed(2**61 + 7)
    assert torch.equal(first, torch.randn(5, 3))
    assert torch.equal(order, torch.randperm(5))
    assert torch.equal(reference.inputs(2**61 + 7)[0], first)
