"""A GPU can be used from inside with three device nodes and nothing else of the host's /dev."""

from pathlib import Path

import pytest

from tests.evaluator.reach import let_everybody_reach

from .conftest import Run

NODES = [f"/dev/{name}" for name in ("nvidia0", "nvidiactl", "nvidia-uvm")]

KERNEL = """
import os, torch, triton
import triton.language as tl

@triton.jit
def double(source, target, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + offsets, 2 * tl.load(source + offsets, mask=offsets < size), mask=offsets < size)

values = torch.arange(1000, device="cuda", dtype=torch.float32)
result = torch.empty_like(values)
double[(4,)](values, result, 1000, BLOCK=256)
print(torch.equal(result, 2 * values), sorted(name for name in os.listdir("/dev") if name.startswith("nvidia")))
"""


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not Path(NODES[0]).exists(), reason="no NVIDIA GPU: /dev/nvidia0 does not exist")
def test_a_kernel_is_compiled_and_runs(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "program.py"  # a file, because Triton reads its kernels' source
    program.write_text(KERNEL)
    let_everybody_reach(tmp_path)  # the ordinary user of these tests must reach it, too
    limits = {"memory_gb": 16.0, "processes": 512, "tmp_mb": 1024, "output_kb": 64}
    answer = run("{python}", str(program), timeout_s=120, read_only=[str(program)], devices=NODES, **limits)
    assert (answer.code, answer.killed_for) == (0, ""), answer
    assert answer.output == "True ['nvidia-uvm', 'nvidia0', 'nvidiactl']\n"
