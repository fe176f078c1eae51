"""Reduced precision is what the error and the code say together."""

from pathlib import Path

import pytest
import torch

from evaluator.catalog import load_tolerance
from evaluator.oracle.draws import Distribution, derive
from evaluator.oracle.numerics import Comparison
from evaluator.oracle.precision import finding
from evaluator.tasks import Precision, Task
from evaluator.verdict import KernelFacts, NumericError

CONF = Path(__file__).parents[3] / "conf"
DEFAULTS = Precision()
PERMITTING = Precision(allow_reduced=True)
PLAIN = (KernelFacts(name="plain"),)
TENSOR_CORES = (KernelFacts(name="product", precision=("tf32",)),)


def task(policy: str = "standard", precision: Precision = DEFAULTS) -> Task:
    return Task(name="t", reference="", path=Path("t.py"), tolerance=load_tolerance(policy, CONF), precision=precision)


def product(rounding: torch.dtype | None, reference_rounding: torch.dtype | None = None) -> NumericError:
    """Errors of a float32 product whose factors were rounded to a 16-bit type first."""
    generator = torch.Generator().manual_seed(3)
    left, right = torch.randn(64, 256, generator=generator), torch.randn(256, 64, generator=generator)

    def multiply(to: torch.dtype | None) -> torch.Tensor:
        return left @ right if to is None else left.to(to).float() @ right.to(to).float()

    comparison = Comparison(load_tolerance("approx", CONF))
    comparison.add("output 0", multiply(rounding), left.double() @ right.double(), multiply(reference_rounding))
    return comparison.result()


@pytest.mark.parametrize("policy", ["strict", "standard"])
def test_seen_in_the_error_and_in_the_code_it_is_refused(policy: str) -> None:
    text, refused = finding(task(policy), True, product(torch.float16), TENSOR_CORES)
    assert refused
    assert "product (tf32)" in text
    assert "times the reference's own" in text


@pytest.mark.parametrize("policy", ["approx", "kernelbench"])
def test_policies_that_take_it_note_it(policy: str) -> None:
    text, refused = finding(task(policy), True, product(torch.float16), TENSOR_CORES)
    assert "reduced precision" in text
    assert not refused


def test_the_error_alone_may_be_an_approximated_function() -> None:
    text, refused = finding(task(), True, product(torch.float16), PLAIN)
    assert "or of an approximation" in text
    assert not refused


def test_the_code_alone_may_split_a_product_into_exact_parts() -> None:
    assert finding(task(), True, product(None), TENSOR_CORES) == ("", False)


def test_what_the_reference_loses_anybody_may_lose() -> None:
    assert finding(task(), True, product(torch.float16, torch.float16), TENSOR_CORES) == ("", False)


def test_the_tasks_permission_is_the_baselines_too() -> None:
    assert (PERMITTING.float32_matmul, PERMITTING.cudnn_allow_tf32) == ("high", True)
    assert Precision(allow_reduced=True, float32_matmul="highest").float32_matmul == "highest"
    text, refused = finding(task(precision=PERMITTING), True, product(torch.float16), TENSOR_CORES)
    assert text
    assert not refused


def test_a_16_bit_task_is_computed_in_16_bits() -> None:
    assert finding(task(), False, product(torch.float16), TENSOR_CORES) == ("", False)


def test_rounded_outputs_need_no_witness_in_the_code() -> None:
    truth = torch.randn(5000, dtype=torch.float64)
    comparison = Comparison(load_tolerance("approx", CONF))
    comparison.add("output 0", truth.half().float(), truth, truth.float())
    text, refused = finding(task(), True, comparison.result(), PLAIN)
    assert "rounded to float16" in text
    assert refused


def kept_bits(tensor: torch.Tensor, half: int) -> torch.Tensor:
    """Cut to TF32's 10 bits of mantissa, after adding half of what is cut off (0x1000) or nothing."""
    return ((tensor.view(torch.int32) + half) & ~0x1FFF).view(torch.float32)


def allowed(
    asked: Task, got: torch.Tensor, truth: torch.Tensor, own: torch.Tensor, distribution: Distribution = "shifted"
) -> bool:
    comparison = Comparison(asked.bounds, distribution)
    comparison.add("output 0", got, truth, own)
    return comparison.problem == ""


@pytest.mark.parametrize("policy", ["strict", "standard"])
def test_whoever_permits_tf32_permits_factors_that_were_cut_to_it(policy: str) -> None:
    """Where all terms have one sign, as on shifted inputs, what was cut off adds up; what was rounded off does not."""
    generator = torch.Generator().manual_seed(3)
    left, right = (256 + torch.randn(shape, generator=generator) for shape in ((64, 2048), (2048, 64)))
    truth = left.double() @ right.double()
    rounded, cut = ((kept_bits(left, half).double() @ kept_bits(right, half).double()).float() for half in (0x1000, 0))
    assert 6e-4 < float((1 - cut / truth).mean()) < 9e-4  # 7.8e-4 on an H100
    assert allowed(task(policy, PERMITTING), cut, truth, rounded)
    assert not allowed(task(policy), cut, truth, rounded)


def sparse_factors(inner: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    whole = [torch.randn(512, inner, generator=generator), torch.randn(inner, 512, generator=generator)]
    left, right = derive("sparse", whole, seed) or ()
    assert isinstance(left, torch.Tensor)
    assert isinstance(right, torch.Tensor)
    return left, right


@pytest.mark.parametrize(("inner", "half"), [(16, 0), (64, 0), (64, 0x1000), (512, 0), (512, 0x1000)])
def test_where_tf32_is_accepted_it_is_on_sparse_inputs_too(inner: int, half: int) -> None:
    """A hundredth of the terms is left where both factors are sparse: five of 512. Their errors do not average out."""
    for seed in range(4):
        left, right = sparse_factors(inner, seed)
        truth, exact = left.double() @ right.double(), left @ right
        got = (kept_bits(left, half).double() @ kept_bits(right, half).double()).float()
        assert allowed(task("approx"), got, truth, exact, "sparse")
        assert not allowed(task("standard"), got, truth, exact, "sparse")


@pytest.mark.parametrize("inner", [16, 64, 512])
def test_bfloat16_is_refused_on_sparse_inputs_too(inner: int) -> None:
    for seed in range(4):
        left, right = sparse_factors(inner, seed)
        got = left.bfloat16().float() @ right.bfloat16().float()
        assert not allowed(task("approx"), got, left.double() @ right.double(), left @ right, "sparse")


@pytest.mark.parametrize("policy", ["strict", "standard", "approx"])
def test_permission_does_not_reach_as_far_as_bfloat16(policy: str) -> None:
    truth = torch.randn(4096, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert not allowed(task(policy, PERMITTING), truth.bfloat16().float(), truth, truth.float())


def test_the_published_rule_is_the_same_with_and_without_permission() -> None:
    assert task("kernelbench", PERMITTING).bounds == load_tolerance("kernelbench", CONF)
