"""Small Triton functions that stand for Inductor's own, written out in the candidate that needs them."""

WITHIN = "within"

CALLS: dict[str, tuple[str, ...]] = {
    "maximum": ("larger",),
    "minimum": ("smaller",),
    "max2": ("reduced", "larger"),
    "min2": ("reduced", "smaller"),
    "any": ("reduced", "either"),
    "prod": ("reduced", "product"),
    "online_softmax_combine": ("softmax_step", "larger", "libdevice"),
    "online_softmax_reduce": ("softmax_joined", "larger", "libdevice"),
    "welford_reduce": ("welford_step",),
    "welford": ("welford_reduced", "welford_pair"),
}
"""Functions of triton_helpers that can be rewritten: by which function below, and what else that needs. `reduced` means
tl.reduce, and `libdevice` the import."""

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
    "softmax_step": """
@triton.jit
def softmax_step(highest, total, value):
    # The maximum so far and the sum of exponentials below it, taken on by one value. While all is -inf, nothing scales.
    higher = larger(highest, value)
    kept = tl.where(higher == float("-inf"), 1.0, libdevice.exp(highest - higher))
    added = tl.where(higher == float("-inf"), 1.0, libdevice.exp(value - higher))
    return higher, total * kept + added
""",
    "softmax_joined": """
@triton.jit
def softmax_joined(highest, total, axis: tl.constexpr):
    # The maximum of all parts, and their sums brought to it.
    top = tl.reduce(highest, axis, larger)
    above = tl.expand_dims(top, axis)
    below = tl.where(above == float("-inf"), 0.0, highest - above)
    return top, tl.sum(total * libdevice.exp(below), axis)
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
