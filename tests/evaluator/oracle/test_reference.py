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


def test_numpy_and_the_standard_library_are_seeded_too() -> None:
    drawn = "torch.tensor([random.random()]), torch.from_numpy(numpy.random.randn(3))"
    source = SOURCE.replace("import torch", "import random, numpy, torch").replace("torch.randn(5, 3)", drawn)
    reference = Reference(source, "seeded.py", "cpu")
    first, again, other = (reference.inputs(seed) for seed in (2**61 + 7, 2**61 + 7, 8))
    for index in range(2):
        assert torch.equal(first[index], again[index])
        assert not torch.equal(first[index], other[index])
