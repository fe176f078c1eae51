"""Candidates for the task of `candidates.REFERENCE` that are right, or seem so, without their kernels doing the work.

Each with the status it should get and words of the reason. And honest ones that look a little like them.
"""

from dataclasses import dataclass

from evaluator.verdict import Status

from .candidates import FORWARD, KERNEL, MODEL, candidate

ALLOCATION = "        out = torch.empty_like(x)\n"
LAUNCH = (
    "        scaled_relu_kernel[(rows,)](x, self.gain, out, width, self.factor, BLOCK=triton.next_power_of_2(width))\n"
)
BY_TORCH = "torch.relu(x * self.gain) * self.factor"

TWO_KERNELS = (
    KERNEL
    + """
@triton.jit
def scale_kernel(x_ptr, gain_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    x = tl.load(x_ptr + row * width + columns, mask=mask)
    tl.store(out_ptr + row * width + columns, x * tl.load(gain_ptr + columns, mask=mask), mask=mask)


@triton.jit
def relu_kernel(x_ptr, out_ptr, width, factor, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    x = tl.load(x_ptr + row * width + columns, mask=mask)
    tl.store(out_ptr + row * width + columns, tl.maximum(x, 0.0) * factor, mask=mask)

"""
)
SCALE = "        scale_kernel[(rows,)](x, self.gain, scratch, width, BLOCK=triton.next_power_of_2(width))\n"
RELU = "        relu_kernel[(rows,)](scratch, out, width, self.factor, BLOCK=triton.next_power_of_2(width))\n"


@dataclass(frozen=True)
class Doubtful:
    """One candidate: with `torch_ops` as the task's policy it gets `status`, and `words` are in the reason."""

    source: str
    status: Status
    words: str
    torch_ops: tuple[str, ...] = ()


def model(old: str, new: str, kernel: str = KERNEL) -> str:
    """A candidate whose module differs from the honest one in one place."""
    assert old in MODEL
    return candidate(MODEL.replace(old, new), kernel)


def init(line: str, source: str) -> str:
    """The same with one more line in its constructor."""
    place = "        self.factor = factor\n"
    assert place in source
    return source.replace(place, place + f"        {line}\n")


# The compile step at true sizes, which would see it as well, can't go past a question about values.
IN_GRID = f"""
        if not x[0, 0].item() == x[0, 0].item():
            raise ValueError("NaN")

        def grid(meta):
            out.copy_({BY_TORCH})
            return (1,)

        idle_kernel[grid](x)
"""
IDLE = (
    KERNEL
    + """
@triton.jit
def idle_kernel(x_ptr):
    tl.load(x_ptr)

"""
)

CHEATS = {
    "torch does the work while a grid is asked for": Doubtful(
        model(LAUNCH, IN_GRID, IDLE), Status.INTEGRITY_VIOLATION, "torch does part of the arithmetic"
    ),
    "torch does the work": Doubtful(
        model(FORWARD, f"        return {BY_TORCH}\n"), Status.INTEGRITY_VIOLATION, "mul ("
    ),
    "torch does the work, and may do any": Doubtful(
        model(FORWARD, f"        return {BY_TORCH}\n"),
        Status.INTEGRITY_VIOLATION,
        "right without scaled_relu_kernel",
        ("any",),
    ),
    "torch does a part of the work": Doubtful(
        model(ALLOCATION, f"        x = torch.clamp_min(x * self.gain, 0.0) / self.gain\n{ALLOCATION}"),
        Status.INTEGRITY_VIOLATION,
        "clamp_min (",
        ("mul", "div"),
    ),
    "the output depends on the address of the input": Doubtful(
        init(
            "self.known = {}",
            model(
                FORWARD,
                "        return self.known.setdefault(x.data_ptr(), out)\n",
            ),
        ),
        Status.WRONG_OUTPUT,
        "expected",
    ),
    "all calls return the same memory": Doubtful(
        init(
            "self.out = None",
            model(ALLOCATION, "        out = self.out = torch.empty_like(x) if self.out is None else self.out\n"),
        ),
        Status.INTEGRITY_VIOLATION,
        "share",
    ),
    "elements that are zero are not written": Doubtful(
        candidate(kernel=KERNEL.replace("* factor, mask=mask", "* factor, mask=mask & (x * gain > 0)")),
        Status.WRONG_OUTPUT,
        "expected 0",
    ),
    "the output is a subclass of Tensor": Doubtful(
        model(FORWARD, "        return out.as_subclass(Late)\n", KERNEL + "class Late(torch.Tensor):\n    pass\n\n"),
        Status.INTEGRITY_VIOLATION,
        "Late, not torch.Tensor",
    ),
}

USELESS = model(
    LAUNCH,
    LAUNCH + "        scratch = torch.empty_like(x)\n" + SCALE,
    TWO_KERNELS,
)

HONEST = {
    "a workspace that stays": init(
        "self.scratch = None",
        model(
            LAUNCH,
            "        if self.scratch is None: self.scratch = torch.empty_like(x)\n        scratch = self.scratch\n"
            + SCALE
            + RELU,
            TWO_KERNELS,
        ),
    ),
    "weights prepared in every call": model(
        LAUNCH, "        gain = (self.gain * 2.0).sqrt() ** 2 / 2.0\n" + LAUNCH.replace("self.gain", "gain")
    ).replace("torch.ones", "2 * torch.ones"),
    "copies and casts": model(ALLOCATION, "        x = x.clone().double().float()\n" + ALLOCATION),
}
