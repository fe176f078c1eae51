"""The functions that stand for Inductor's own compute what they say, in the real interpreter."""

from typing import Any

from candidates.inductor import helpers
from tests.evaluator.inside.sessions import run_session

HEAD = "import torch\nimport triton\nimport triton.language as tl\nfrom triton.language.extra import libdevice\n"
KERNEL = """
@triton.jit
def kernel(x_ptr, out_ptr, columns: tl.constexpr, BLOCK: tl.constexpr):
    mean = tl.zeros([1, BLOCK], tl.float32)
    m2 = tl.zeros([1, BLOCK], tl.float32)
    count = tl.zeros([1, BLOCK], tl.float32)
    low = tl.full([1, BLOCK], float("inf"), tl.float32)
    for start in tl.range(0, columns, BLOCK):
        index = start + tl.arange(0, BLOCK)[None, :]
        mask = within(index, columns, BLOCK)
        x = tl.load(x_ptr + tl.program_id(0) * columns + index, mask, other=0.0)
        mean_next, m2_next, count_next = welford_step(x, mean, m2, count)
        mean = tl.where(mask, mean_next, mean)
        m2 = tl.where(mask, m2_next, m2)
        count = tl.where(mask, count_next, count)
        low = tl.where(mask, smaller(low, x), low)
    mean, m2, count = tl.reduce((mean, m2, count), 1, welford_pair)
    place = out_ptr + tl.program_id(0) * 4 + tl.arange(0, 1)
    tl.store(place, mean)
    tl.store(place + 1, m2 / count)
    tl.store(place + 2, count)
    tl.store(place + 3, tl.reduce(low, 1, smaller))


class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty((x.shape[0], 4), device=x.device)
        kernel[(x.shape[0],)](x, out, x.shape[1], BLOCK=32)
        return out
"""
EXPECTED = "torch.stack([x.mean(1), x.var(1, correction=0), torch.full_like(x[:, 0], x.shape[1]), x.amin(1)], 1)"


def test_running_means_and_extremes_over_whole_and_partly_filled_blocks() -> None:
    source = HEAD + "\n\n".join(helpers.SOURCES.values()) + KERNEL
    jobs: dict[str, Any] = {
        name: {"source": source, "inputs": [[[3, width], "float32"]], "expected": f"(lambda x: {EXPECTED})(inputs[0])"}
        for name, width in {"whole": 96, "partly": 77, "less than one": 5}.items()
    }
    answers = run_session("interpret", jobs)
    assert {name: answer.get("error", 1.0) < 1e-5 for name, answer in answers.items()} == dict.fromkeys(jobs, True)
