"""Small Triton functions that stand for Inductor's own, written out in the candidate that needs them."""

WITHIN = "within"

CALLS: dict[str, tuple[str, ...]] = {
    "maximum": ("larger",),
    "minimum": ("smaller",),
    "max2": ("reduced", "larger"),
    "min2": ("reduced", "smaller"),
    "any": ("reduced", "either"),
    "prod": ("reduced", "product"),
    "welford_reduce": ("welford_step",),
    "welford": ("welford_reduced", "welford_pair"),
}
"""Functions of triton_helpers that can be rewritten, and by which functions below; `reduced` means tl.reduce."""

SOURCES: dict[str, str] = {
    WITHIN: """
@triton.jit
def within(index, size: tl.constexpr, BLOCK: tl.constexpr):
    # Where the blocks divide the size, no index is outside, and the compiler can leave the mask away.
    if size % BLOCK == 0:
        return tl.full(index.shape, True, tl.int1)
    else:
        return index < size
""",
    "larger": """
@triton.jit
def larger(a, b):
    # NaN wins, as in torch.
    return tl.where((a > b) | (a != a), a, b)
""",
    "smaller": """
@triton.jit
def smaller(a, b):
    # NaN wins, as in torch.
    return tl.where((a < b) | (a != a), a, b)
""",
    "either": """
@triton.jit
def either(a, b):
    return a | b
""",
    "product": """
@triton.jit
def product(a, b):
    return a * b
""",
    "welford_step": """
@triton.jit
def welford_step(value, mean, m2, count):
    # Welford's update of a running mean and sum of squared deviations (m2) by one value.
    more = count + 1
    deviation = value - mean
    moved = mean + deviation / more
    return moved, m2 + deviation * (value - moved), more
""",
    "welford_pair": """
@triton.jit
def welford_pair(mean_a, m2_a, count_a, mean_b, m2_b, count_b):
    # Joins the means and squared deviations of two parts (Chan's formula); both may be empty.
    count = count_a + count_b
    share = tl.where(count == 0.0, 0.0, count_b / count)
    apart = mean_b - mean_a
    return mean_a + apart * share, m2_a + m2_b + apart * apart * count_a * share, count
""",
}

LANGUAGE_MATH = frozenset(
    {"abs", "ceil", "cos", "erf", "exp", "exp2", "floor", "fma", "log", "log2", "rsqrt", "sin", "sqrt", "sqrt_rn"}
)
"""What tl_math offers and triton.language offers under the same name."""
