"""Honest candidates that look odd. All of them pass the static rules and are verified."""

from tests.adversarial.case import HEAD, INIT, KERNEL, LAUNCH, VERIFIED, Case, candidate, forwarding, method, replaced


def _case(name: str, source: str) -> Case:
    return Case(name, "honest", source, VERIFIED, "nothing: it is honest")


_PAIR = """

@triton.jit
def affine(x_ptr, gain_ptr, shift_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    x = tl.load(x_ptr + row * width + columns, mask=mask)
    gain = tl.load(gain_ptr + columns, mask=mask)
    tl.store(out_ptr + row * width + columns, x * gain + tl.load(shift_ptr + columns, mask=mask), mask=mask)


@triton.jit
def relu(x_ptr, out_ptr, count, factor, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < count)
    tl.store(out_ptr + at, tl.where(x > 0, x, 0.0) * factor, mask=at < count)
"""

_PERSISTENT = replaced("    row = tl.program_id(0)\n", "    first = tl.program_id(0)\n").replace(
    "width, factor,", "width, factor, rows,"
)
_BODY_START = _PERSISTENT.index("    columns = ")
_PERSISTENT = (
    _PERSISTENT[:_BODY_START]
    + "    for row in range(first, rows, tl.num_programs(0)):\n"
    + "".join(f"    {line}\n" for line in _PERSISTENT[_BODY_START:].rstrip("\n").split("\n"))
)

_TUNED = "@triton.autotune(configs=[triton.Config({}, num_warps=w) for w in (2, 4)], key=['width'])\n@triton.jit"
_HEURISTIC = "@triton.heuristics({'BLOCK': lambda named: triton.next_power_of_2(named['width'])})\n@triton.jit"

CASES = (
    _case(
        "a docstring that speaks of os.system and eval",
        candidate(
            "x = x  # os.system('rm'), torch.compile, exec(\"...\")",
            head='"""import os; __import__, zeros, torch.hub"""',
        ),
    ),
    _case(
        "an optional feature under try",
        candidate(
            head="try:\n    from triton.language.extra import libdevice\nexcept ImportError:\n    libdevice = None"
        ),
    ),
    _case(
        "a persistent workspace",
        candidate(
            "if self.space is None or self.space.shape != x.shape:\n    self.space = torch.empty_like(x)\n",
            "return out",
            kernel=_PAIR,
            init="self.space = None",
        ).replace(
            LAUNCH,
            "affine[(x.shape[0],)](x, self.gain, self.shift, self.space, x.shape[1], BLOCK=1024)\n"
            "        relu[(triton.cdiv(x.numel(), 1024),)](self.space, out, x.numel(), self.factor, BLOCK=1024)\n",
        ),
    ),
    _case(
        "weights packed at the first call",
        candidate(
            "if self.packed is None:\n    self.packed = torch.stack([self.gain, self.shift])",
            init="self.packed = None",
        ).replace("(x, self.gain, self.shift,", "(x, self.packed[0], self.packed[1],"),
    ),
    _case("an autotuned kernel", candidate(kernel=KERNEL.replace("@triton.jit", _TUNED))),
    _case(
        "a block size by heuristic",
        candidate(kernel=KERNEL.replace("@triton.jit", _HEURISTIC)).replace(", BLOCK=1024)", ")"),
    ),
    _case(
        "a grid that is remembered",
        candidate(
            head="import functools\n\n\n@functools.lru_cache(maxsize=None)\ndef grid(rows):\n    return (rows,)"
        ).replace("[(x.shape[0],)]", "[grid(x.shape[0])]"),
    ),
    _case(
        "a helper class that launches",
        HEAD
        + KERNEL
        + "\n\nclass Launcher:\n    def __init__(self, block):\n        self.block = block\n"
        + method(
            "__call__",
            "out = torch.empty_like(x)\nscaled_relu[(x.shape[0],)](x, gain, shift, out, x.shape[1], factor, "
            "BLOCK=self.block)\nreturn out",
            "self, x, gain, shift, factor",
        )
        + INIT
        + "        self.launch = Launcher(1024)\n"
        + method("forward", "return self.launch(x, self.gain, self.shift, self.factor)"),
    ),
    _case(
        "a dataclass of parameters",
        candidate(
            head="from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Tile:\n"
            "    block: int = 1024\n\n\nTILE = Tile()"
        ).replace("BLOCK=1024", "BLOCK=TILE.block"),
    ),
    _case(
        "as many programs as the GPU has multiprocessors",
        forwarding(
            "out = torch.empty_like(x)\n"
            "programs = torch.cuda.get_device_properties(x.device).multi_processor_count\n"
            "scaled_relu[(min(programs, x.shape[0]),)](x, self.gain, self.shift, out, x.shape[1], self.factor, "
            "x.shape[0], BLOCK=1024)\nreturn out",
            kernel=_PERSISTENT,
        ),
    ),
    _case(
        "an output cut from a padded buffer",
        forwarding(
            "padded = torch.empty((x.shape[0] + 1, x.shape[1]), device=x.device, dtype=x.dtype)\nout = padded[:-1]\n"
            f"{LAUNCH}return out"
        ),
    ),
    _case("a contiguous copy of the input", candidate("x = x.contiguous()")),
    _case(
        "weights under other names",
        candidate().replace("self.gain", "self.alpha").replace("self.shift", "self.beta"),
    ),
    _case(
        "a two-dimensional tile",
        forwarding(
            "out = torch.empty_like(x)\nrows, width = x.shape\n"
            "tile[(triton.cdiv(rows, 4),)](x, self.gain, self.shift, out, rows, width, self.factor, 4, 1024)\n"
            "return out",
            kernel="""

@triton.jit
def tile(x_ptr, gain_ptr, shift_ptr, out_ptr, rows, width, factor, TALL: tl.constexpr, WIDE: tl.constexpr):
    at = tl.program_id(0) * TALL + tl.arange(0, TALL)[:, None]
    columns = tl.arange(0, WIDE)[None, :]
    mask = (at < rows) & (columns < width)
    x = tl.load(x_ptr + at * width + columns, mask=mask, other=0.0)
    gain = tl.load(gain_ptr + columns, mask=columns < width, other=0.0)
    shift = tl.load(shift_ptr + columns, mask=columns < width, other=0.0)
    tl.store(out_ptr + at * width + columns, tl.maximum(x * gain + shift, 0.0) * factor, mask=mask)
""",
        ),
    ),
    _case(
        "a branch on what the input is",
        candidate(
            "if x.dtype not in (torch.float32, torch.float16):\n    raise ValueError(f'unexpected {x.dtype!r}')\n"
            "if x.numel() == 0:\n    return torch.empty_like(x)"
        ),
    ),
    _case(
        "zeros that are overwritten",
        candidate().replace("torch.empty_like(x)", "torch.zeros_like(x)"),
    ),
    _case(
        "a hook that fills the output before the launch",
        candidate(
            head="def clear(x, gain, shift, out, *rest, **options):\n    out.zero_()",
            init="scaled_relu.add_pre_run_hook(clear)",
        ),
    ),
    _case(
        "a fused multiply-add in another order",
        candidate(
            kernel=replaced(
                "tl.maximum(x * gain + shift, 0.0) * factor",
                "tl.maximum(tl.fma(x, gain * factor, shift * factor), 0.0)",
            )
        ),
    ),
    _case(
        "a count of its own calls",
        candidate("self.calls += 1"),
    ),
)
