"""The numbers behind the tolerance policies, computed from the formula in evaluator.tasks.Tolerance."""

import math
import random
import struct
from pathlib import Path
from statistics import NormalDist

import pytest

from evaluator.catalog import load_tolerance, tolerance_names
from evaluator.tasks import Tolerance

CONF = Path(__file__).parents[2] / "conf"
NORMAL = [NormalDist().inv_cdf((index + 0.5) / 100_000) for index in range(100_000)]


def policy(name: str) -> Tolerance:
    return load_tolerance(name, CONF)


def refused(name: str, truth: list[float], got: list[float], reference: list[float] | None = None) -> int:
    """How many elements a policy refuses; the reference is exact where none is given."""
    rule = policy(name)
    same = reference or truth
    if rule.rule == "allclose":
        return sum(abs(r - g) > rule.atol + rule.rtol * abs(g) for g, r in zip(got, same, strict=True))
    scale = math.sqrt(math.fsum(t * t for t in truth) / len(truth))
    own = max(abs(r - t) for r, t in zip(same, truth, strict=True))
    return sum(
        abs(g - t) > max(rule.atol * scale + rule.rtol * abs(t), rule.reference_factor * own)
        for g, t in zip(got, truth, strict=True)
    )


def gelu_erf(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def gelu_tanh(x: float) -> float:
    return x * 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def to_float32(x: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def to_bfloat16(x: float, towards_zero: bool = False) -> float:
    (bits,) = struct.unpack("<I", struct.pack("<f", x))
    bits = bits if towards_zero else bits + 0x7FFF + (bits >> 16 & 1)
    return float(struct.unpack("<f", struct.pack("<I", bits & 0xFFFF0000))[0])


def test_there_are_four_policies_in_order_of_strictness() -> None:
    assert tolerance_names(CONF) == ("approx", "kernelbench", "standard", "strict")
    assert policy("strict").atol < policy("standard").atol < policy("approx").atol
    assert policy("strict").rtol < policy("standard").rtol < policy("approx").rtol


@pytest.mark.parametrize(("name", "passes"), [("strict", False), ("standard", False), ("approx", True)])
def test_gelu_by_tanh(name: str, passes: bool) -> None:
    truth = [gelu_erf(x) for x in NORMAL]
    got = [gelu_tanh(x) for x in NORMAL]
    assert max(abs(g - t) for g, t in zip(got, truth, strict=True)) == pytest.approx(4.73e-4, rel=0.01)
    reference = [to_float32(t) for t in truth]
    assert (refused(name, truth, got, reference) == 0) is passes


def test_a_policy_does_not_depend_on_the_unit_of_the_output() -> None:
    for unit in (1e-6, 1.0, 1e6):
        truth = [gelu_erf(x) * unit for x in NORMAL]
        got = [gelu_tanh(x) * unit for x in NORMAL]
        assert refused("standard", truth, got) > 0
        assert refused("approx", truth, got) == 0


@pytest.mark.parametrize("name", ["strict", "standard", "kernelbench", "approx"])
def test_float32_rounding_passes_everywhere(name: str) -> None:
    rounding = random.Random(1)
    truth = [gelu_erf(x) for x in NORMAL]
    got = [to_float32(t * (1 + rounding.uniform(-2e-6, 2e-6))) for t in truth]
    assert refused(name, truth, got) == 0


def wide_softmax() -> list[float]:
    weights = [math.exp(x) for x in NORMAL[::8]]
    total = math.fsum(weights)
    return [w / total for w in weights]


@pytest.mark.parametrize("name", ["strict", "standard", "approx"])
def test_zeros_for_a_wide_softmax_are_refused(name: str) -> None:
    """All outputs are far below 1e-4: an absolute bound would let most of them pass as zero."""
    truth = wide_softmax()
    assert sum(t < 1e-4 for t in truth) > len(truth) / 2
    assert refused(name, truth, [0.0] * len(truth)) > 0.99 * len(truth)


def test_zeros_for_a_wide_softmax_nearly_pass_by_the_published_rule() -> None:
    truth = wide_softmax()
    assert refused("kernelbench", truth, [0.0] * len(truth)) < 0.35 * len(truth)


@pytest.mark.parametrize("name", ["standard", "approx"])
def test_a_bfloat16_output_may_be_rounded_in_either_way(name: str) -> None:
    truth = [gelu_erf(x) for x in NORMAL]
    reference = [to_bfloat16(t) for t in truth]
    assert refused(name, truth, reference) > 0, "a float32 task would refuse it"
    assert refused(name, truth, reference, reference) == 0
    assert refused(name, truth, [to_bfloat16(t, towards_zero=True) for t in truth], reference) == 0
    assert refused(name, truth, [2 * r for r in reference], reference) > 0


def test_kernelbench_compares_with_the_references_own_output_whatever_that_is_worth() -> None:
    truth = [gelu_erf(x) for x in NORMAL]
    reference = [gelu_tanh(x) for x in NORMAL]
    assert refused("kernelbench", truth, reference) > 0
    assert refused("kernelbench", truth, reference, reference) == 0
    assert refused("kernelbench", truth, truth, reference) > 0, "more exact than the reference, and refused"


def test_a_row_of_small_values_is_judged_by_its_own_size_where_no_function_may_be_approximated() -> None:
    assert [policy(name).by_row for name in ("strict", "standard", "approx")] == [True, True, False]


def test_repeats_may_differ_by_rounding_only() -> None:
    """Float32 sums of 4096 terms in random orders, as atomics make them; a lost term is far beyond."""
    shuffling = random.Random(2)
    terms = [to_float32(shuffling.gauss(0, 1)) for _ in range(4096)]
    sums = set()
    for _ in range(20):
        shuffling.shuffle(terms)
        total = 0.0
        for term in terms:
            total = to_float32(total + term)
        sums.add(total)
    spread = (max(sums) - min(sums)) / 64  # the RMS of such sums
    assert policy("strict").repeat_rtol == 0 < spread
    assert spread < policy("standard").repeat_rtol < policy("approx").repeat_rtol < 1 / 64
