"""What a worker imports and when: seconds of every verdict hang on it."""

import gc
import subprocess
import sys

from evaluator.inside.startup import without_collections

OBSERVED = """
import sys
import torch
from evaluator.inside.operators import Operators

with Operators(None) as observed:
    torch.ones(3) + 1
assert observed.elements == {"ones": 3, "add": 3}
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""


def test_observing_operators_does_not_bring_in_the_compiler() -> None:
    # A process of its own: here, something else may have imported it.
    done = subprocess.run([sys.executable, "-c", OBSERVED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_collections_come_back_after_the_start() -> None:
    assert gc.isenabled()
    with without_collections():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
