"""Candidates that the tests of this folder compile and interpret. Trusted: they were written for these tests."""

HEAD = """
import torch, triton
import triton.language as tl
from triton.language.extra import libdevice
"""

ELEMENTWISE = (
    HEAD
    + """
@triton.jit
def scale(x, y, n, factor, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, tl.load(x + i, mask=i < n) * factor, mask=i < n)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        assert x.is_cuda and x.device.type == "cuda" and torch.cuda.is_available()
        y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        with torch.cuda.device(x.device):
            scale[lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)](x, y, x.numel(), 2.5, BLOCK=1024, num_warps=8)
        return y
"""
)

LAYERNORM_AUTOTUNED = (
    HEAD
    + """
@triton.autotune(
    configs=[triton.Config({"ROWS": 1}, num_warps=4, num_stages=2), triton.Config({"ROWS": 4}, num_warps=8)],
    key=["rows"],
)
@triton.jit
def layernorm(x, w, b, y, rows, eps, ROWS: tl.constexpr, SIZE: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    at = row * SIZE + tl.arange(0, SIZE)[None, :]
    inside = row < rows
    v = tl.load(x + at, mask=inside, other=0.0)
    centred = v - (tl.sum(v, axis=1) / SIZE)[:, None]
    scale = tl.rsqrt(tl.sum(centred * centred, axis=1) / SIZE + eps)
    cols = tl.arange(0, SIZE)
    out = centred * scale[:, None] * tl.load(w + cols)[None, :] + tl.load(b + cols)[None, :]
    tl.store(y + at, out, mask=inside)

class ModelNew(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size
        self.weight = torch.nn.Parameter(torch.ones(size))
        self.bias = torch.nn.Parameter(torch.zeros(size))
    def forward(self, x):
        y = torch.empty_like(x)
        rows = x.numel() // self.size
        layernorm[lambda meta: (triton.cdiv(rows, meta["ROWS"]),)](
            x, self.weight, self.bias, y, rows, 1e-5, SIZE=self.size)
        return y
"""
)

MATMUL = (
    HEAD
    + """
@triton.jit
def matmul(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    acc = tl.zeros((BM, BN), dtype=tl.float32)
    for start in range(0, K, BK):
        left = tl.load(a + m[:, None] * K + (start + k)[None, :])
        right = tl.load(b + (start + k)[:, None] * N + n[None, :])
        acc += tl.dot(left, right)
    tl.store(c + m[:, None] * N + n[None, :], acc.to(c.dtype.element_ty))

class ModelNew(torch.nn.Module):
    def __init__(self, bm=64, bn=64, bk=32, warps=4, stages=3, registers=None):
        super().__init__()
        self.blocks = dict(BM=bm, BN=bn, BK=bk, num_warps=warps, num_stages=stages, maxnreg=registers)
    def forward(self, a, b):
        c = torch.empty(a.shape[0], b.shape[1], device="cuda", dtype=a.dtype)
        grid = (a.shape[0] // self.blocks["BM"], b.shape[1] // self.blocks["BN"])
        matmul[grid](a, b, c, a.shape[0], b.shape[1], a.shape[1], **self.blocks)
        return c
"""
)

BROKEN = (
    HEAD
    + """
@triton.jit
def inner(v):
    return tl.no_such_function(v)

@triton.jit
def broken(x, y):
    i = tl.arange(0, 64)
    tl.store(y + i, inner(tl.load(x + i)))

class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        broken[(1,)](x, y)
        return y
"""
)

WRONG_ARGUMENT = ELEMENTWISE.replace("num_warps=8)", "num_warps=8, BLOK=3)")

TANH = (
    HEAD
    + """
@triton.jit
def tanh(x, y, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, libdevice.tanh(tl.load(x + i)))

class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        tanh[(x.numel() // 256,)](x, y, BLOCK=256)
        return y
"""
)

SEVERAL = (
    HEAD
    + """
@triton.jit
def double(x, y, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, tl.load(x + i, mask=i < n) * 2, mask=i < n)

@triton.heuristics({"EVEN": lambda args: args["n"] % args["BLOCK"] == 0})
@triton.jit
def shift(x, y, n, EVEN: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    if EVEN:
        tl.store(y + i, tl.load(x + i) + 1)
    else:
        tl.store(y + i, tl.load(x + i, mask=i < n) + 1, mask=i < n)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        a, b = torch.empty_like(x), torch.empty_like(x)
        grid = (triton.cdiv(x.numel(), 256),)
        double[grid](x, a, x.numel(), BLOCK=256)
        double[grid](a, b, x.numel(), BLOCK=256)
        shift[grid](b, a, x.numel(), BLOCK=256)
        return a
"""
)

CONVOLUTION = (
    HEAD
    + """
@triton.jit
def double(x, y, n, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, tl.load(x + i, mask=i < n) * 2, mask=i < n)

class ModelNew(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.ConvTranspose3d(32, 64, 4, stride=2, padding=1).cuda()
    def forward(self, x):
        x = self.conv(x)
        y = torch.empty_like(x)
        double[(triton.cdiv(x.numel(), 1024),)](x, y, x.numel(), BLOCK=1024)
        return y
"""
)

OFFSET_VIEW = (
    HEAD
    + """
@triton.jit
def copy(x, y, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, tl.load(x + i, mask=i < n), mask=i < n)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        x = x.t().contiguous().view(-1)
        y = torch.empty_like(x)
        copy[(1,)](x, y, 1024, BLOCK=1024)
        copy[(1,)](x[1:], y, 1024, BLOCK=1024)
        return y
"""
)

DATA_DEPENDENT = ELEMENTWISE.replace(
    "        y = torch.empty", "        if x.sum().item() > 1e30: return x\n        y = torch.empty"
)

OUT_OF_BOUNDS = ELEMENTWISE.replace(", mask=i < n", "")

INLINE_ASSEMBLY = (
    HEAD
    + """
@triton.jit
def move(x, y):
    i = tl.arange(0, 64)
    v = tl.inline_asm_elementwise("mov.b32 $0, $1;", "=r,r", [tl.load(x + i)], dtype=tl.float32, is_pure=True, pack=1)
    tl.store(y + i, v)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        move[(1,)](x, y)
        return y
"""
)

BLEND = (
    HEAD
    + """
@triton.jit
def blend(x, y, z, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    a, b = tl.load(x + i), tl.load(y + i)
    tl.store(z + i, tl.where(a > b, a * b + a, tl.minimum(b - a, a / 3)))

class ModelNew(torch.nn.Module):
    def forward(self, x, y):
        z = torch.empty_like(x)
        blend[(1,)](x, y, z, BLOCK=1024)
        return z
"""
)

NO_KERNEL = (
    HEAD
    + """
class ModelNew(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x)
"""
)

CAUGHT = BROKEN.replace(
    "        broken[(1,)](x, y)\n",
    "        try:\n            broken[(1,)](x, y)\n        except Exception:\n            y = torch.relu(x)\n",
)

DESCRIPTORS = (
    HEAD
    + """
from triton.tools.tensor_descriptor import TensorDescriptor

def set_block(arguments):
    arguments["x"].block_shape = arguments["y"].block_shape = [arguments["ROWS"], 64]

@triton.autotune(
    [triton.Config({"ROWS": 32}, pre_hook=set_block), triton.Config({"ROWS": 64}, pre_hook=set_block)], key=["rows"])
@triton.jit
def double(x, y, rows, ROWS: tl.constexpr):
    row = tl.program_id(0) * ROWS
    y.store([row, 0], x.load([row, 0]) * 2)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        x, out = TensorDescriptor.from_tensor(x, [1, 64]), TensorDescriptor.from_tensor(y, [1, 64])
        double[lambda meta: (y.shape[0] // meta["ROWS"],)](x, out, y.shape[0])
        return y
"""
)

IN_PLACE = (
    HEAD
    + """
@triton.jit
def add(x, y, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x + i, tl.load(x + i, mask=i < n) + tl.load(y + i, mask=i < n), mask=i < n)

class ModelNew(torch.nn.Module):
    def forward(self, x, y):
        x = x.clone()
        add[(triton.cdiv(x.numel(), 256),)](x, y[:1].expand_as(y), x.numel(), BLOCK=256)
        add[(triton.cdiv(x.numel(), 256),)](x, x, x.numel(), BLOCK=256)
        return x
"""
)

POINTERS = (
    HEAD
    + """
@triton.jit
def gathered(a_ptr, b_ptr, c_ptr, index_ptr, unused_ptr, count, n, ODD: tl.constexpr, BLOCK: tl.constexpr):
    r = tl.arange(0, BLOCK)
    left, right = a_ptr + r[:, None] * n + r[None, :], b_ptr + r[:, None] * n + r[None, :]
    acc = tl.zeros((BLOCK, BLOCK), tl.float32)
    for k in range(0, n, BLOCK):
        acc += tl.dot(tl.load(left), tl.load(right))
        left += BLOCK
        right += BLOCK * n
    row = tl.load(index_ptr + r)
    if n > 64:
        out = c_ptr + row[:, None] * n + r[None, :]
    else:
        out = c_ptr + r[:, None] * n + r[None, :]
    tl.store(out, acc)
    tl.atomic_add(count + r, r.to(tl.float32))

class ModelNew(torch.nn.Module):
    def forward(self, a, b):
        c, count = torch.empty_like(a), torch.zeros(64, device="cuda")
        index = torch.arange(64, device="cuda", dtype=torch.int32)
        gathered[(1,)](a, b, c, index, torch.empty_like(a), count, a.shape[0], ODD=True, BLOCK=64)
        return c
"""
)

REDUCTIONS = """
import torch
import triton
import triton.language as tl


@triton.jit
def larger(a, b):
    return tl.where(a > b, a, b)


@triton.jit
def then(scale, shift, next_scale, next_shift):
    # y -> scale * y + shift, one after the other: associative, and the order matters.
    return next_scale * scale, next_scale * shift + next_shift


@triton.jit
def kernel(x_ptr, out_ptr, width: tl.constexpr):
    x = tl.load(x_ptr + tl.program_id(0) * width + tl.arange(0, width))[None, :]
    tl.store(out_ptr + tl.program_id(0) * 2 + tl.arange(0, 1), tl.reduce(x, 1, larger))
    _, shift = tl.reduce((tl.full([1, width], 0.5, tl.float32), x), 1, then)
    tl.store(out_ptr + tl.program_id(0) * 2 + 1 + tl.arange(0, 1), shift)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty((x.shape[0], 2), device=x.device)
        kernel[(x.shape[0],)](x, out, x.shape[1])
        return out
"""

LOOPS = (
    HEAD
    + """
@triton.jit
def total(x, rows, SIZE: tl.constexpr):
    found = 0.0
    for row in range(rows):
        found += tl.sum(tl.load(x + row.to(tl.int64) * SIZE + tl.arange(0, SIZE)))
    return found

@triton.jit
def kernel(x, y, rows, SIZE: tl.constexpr):
    tl.store(y, total(x, rows, SIZE))
    found = 0.0
    for row in tl.range(rows - 1, -1, -1, num_stages=2):
        for column in range(0, SIZE, 2):
            found += tl.load(x + row.to(tl.int64) * SIZE + column)
    tl.store(y + 1, found)
    most = 0
    for index in tl.static_range(3):
        for wrapped in range(index, index + 1):
            most = wrapped * 2147483647
    tl.store(y + 2, most.to(tl.float32))

class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty(3, device=x.device)
        kernel[(1,)](x, y, x.shape[0], SIZE=x.shape[1])
        return y
"""
)

ROUNDED = ELEMENTWISE.replace("* factor", ".to(tl.float8e5).to(tl.float32)")

# Torch works while Triton launches: in a hook, for the grid, when an argument gives its address; or in a thread.
SIDE_DOORS = (
    HEAD
    + """
import threading

class Late:
    def __init__(self, tensor):
        self.tensor, self.dtype = tensor, tensor.dtype

    def untyped_storage(self):
        return self.tensor.untyped_storage()

    def data_ptr(self):
        self.tensor.sin_()
        return self.tensor.data_ptr()

def grid(meta):
    torch.ones(8).exp_()
    return (1,)

@triton.jit
def keep(y):
    tl.store(y, tl.load(y))

def hook(y, **options):
    torch.ones(8).cos_()

keep.add_pre_run_hook(hook)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x).copy_(x)
        thread = threading.Thread(target=y.tan)
        thread.start()
        thread.join()
        keep[grid](Late(y))
        return y
"""
)
