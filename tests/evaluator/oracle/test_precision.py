"""Reduced precision is what the error and the code say together."""

from pathlib import Path

import pytest
import torch

from evaluator.catalog import load_tolerance
from evaluator.oracle.numerics import Comparison
from evaluator.oracle.precision import finding
from evaluator.tasks import Precision, Task
from evaluator.verdict import KernelFacts, NumericError

CONF = Path(__file__).parents[3] / "conf"
DEFAULTS = Precision()
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
    permitting = Precision(allow_reduced=True)
    assert (permitting.float32_matmul, permitting.cudnn_allow_tf32) == ("high", True)
    assert Precision(allow_reduced=True, float32_matmul="highest").float32_matmul == "highest"
    text, refused = finding(task(precision=permitting), True, product(torch.float16), TENSOR_CORES)
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
