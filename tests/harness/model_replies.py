"""What a model might say in a run of a tiny task: reasoning, prose, fences, a wrong kernel, one that breaks a rule."""

REFERENCE = """import torch
from torch import nn

ROWS = 6
WIDTH = 10


class Model(nn.Module):
    def forward(self, x):
        return torch.exp(x) + 1.0


def get_inputs():
    return [torch.randn(ROWS, WIDTH)]


def get_init_inputs():
    return []
"""

KERNEL = """import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def exp_kernel(x_ptr, out_ptr, total, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < total
    x = tl.load(x_ptr + offsets, mask=mask)
    tl.store(out_ptr + offsets, tl.exp(x) + 1.0, mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        total = x.numel()
        exp_kernel[(triton.cdiv(total, 32),)](x, out, total, BLOCK=32, num_warps=4, num_stages=2)
        return out
"""

WRONG = KERNEL.replace("triton.cdiv(total, 32)", "total // 32")
"""The last block is never written."""

FORBIDDEN = KERNEL.replace("import torch\n", "import os\nimport torch\n", 1).replace("num_warps=4", "num_warps=8")

WIDER = KERNEL.replace("num_warps=4", "num_warps=8")

DRAFT_WRONG = f"""<think>
The module is elementwise. One kernel, 1D grid. The number of elements is 60, so two blocks of 32.

```python
# not this one: def forward(self, x): return torch.exp(x) + 1
```
</think>
One kernel computes exp(x) + 1 for a block of elements in each program.

```python
{WRONG}```
"""

DRAFT_ANALYSIS = """1. What is wrong: the grid of `exp_kernel` is `total // 32`, which rounds down.
2. Why it matters: the elements after the last whole block are never written, so what `torch.empty_like` held stays.
3. The smallest fix: round up, `triton.cdiv(total, 32)`."""

DRAFT_MENDED = f"""The grid is rounded up now.

```python
{KERNEL}```
"""

FINETUNE_FORBIDDEN = f"""**More warps.** With 8 warps each thread has fewer elements.

~~~python
{FORBIDDEN}~~~
"""

FINETUNE_ANALYSIS = """<think>os is not on the list.</think>
1. `import os` in the first line is not allowed.
2. The module is refused before it is compiled.
3. Delete the line; nothing uses it."""

FINETUNE_MENDED = """Deleted the import.

```python
<<<<<<< SEARCH
import os
import torch
=======
import torch
>>>>>>> REPLACE
```
"""

SCRIPT = (DRAFT_WRONG, DRAFT_ANALYSIS, DRAFT_MENDED, FINETUNE_FORBIDDEN, FINETUNE_ANALYSIS, FINETUNE_MENDED)
"""In the order in which a run of the stages draft and finetune asks."""
