"""Fractions of the roofline and headroom, from verdicts that were constructed."""

import pytest

from evaluator.roofline import Roof, ceilings_of, elsewhere, own_headroom, roofs
from evaluator.verdict import Evidence, KernelFacts, Status, Verdict
from evaluator.work import Ceilings, GpuWork, TaskCost, family, kind_of

from .verdicts import CONVOLUTION_FLOPS, TENSOR_BYTES, default_task, kernel_ms, rtx4090, tail_kernel, timing

GPU = rtx4090()
PEAKS = Ceilings.of_datasheet(GPU)


def only(verdict: Verdict, ceilings: Ceilings = PEAKS) -> Roof:
    (roof,) = roofs(verdict, ceilings)
    return roof


def matmul(**kernel: object) -> Verdict:
    """A float16 matrix product of 137 GFLOP in 1 ms that one own kernel does."""
    facts: dict[str, object] = {"read_bytes": 10**6, "written_bytes": 10**6, "dots": True, "precision": ("f16",)}
    own = KernelFacts.model_validate({"name": "product", "time_share": 1.0} | facts | kernel)
    cost = TaskCost(read_bytes=10**6, written_bytes=10**6, contractions={"mm": 10**11}, dtype="float16")
    evidence = Evidence(cost=cost)
    return Verdict(status=Status.VERIFIED, task="t", device="d", time=timing(1.0), kernels=(own,), evidence=evidence)


def test_a_kernel_that_moves_data_is_held_against_the_bandwidth() -> None:
    roof = only(default_task())
    assert (roof.bound, roof.tflop_s) == ("memory", None)
    assert roof.floor_ms == pytest.approx(2.13, abs=0.005)
    assert roof.fraction == pytest.approx(0.92)
    assert roof.gb_s == pytest.approx(0.92 * 1008)
    assert roof.headroom == pytest.approx(0.149 * 0.08, abs=0.0005)


def test_a_kernel_that_multiplies_is_held_against_the_rate_of_its_format() -> None:
    roof = only(matmul())
    assert (roof.bound, roof.rate) == ("compute", "FP16")
    assert roof.tflop_s == pytest.approx(100.0)
    assert roof.fraction == pytest.approx(100 / 165.2)
    assert only(matmul(precision=())).rate == "FP32"


def test_what_torch_does_of_the_contractions_is_not_the_kernels() -> None:
    verdict = matmul()
    done = verdict.model_copy(update={"evidence": verdict.evidence.model_copy(update={"torch_flops": {"mm": 10**11}})})
    assert only(done).tflop_s is None


def test_contractions_of_several_kernels_are_not_told_apart() -> None:
    verdict = matmul()
    other = verdict.kernels[0].model_copy(update={"name": "other"})
    both = verdict.model_copy(update={"kernels": (*verdict.kernels, other)})
    assert [roof.tflop_s for roof in roofs(both, PEAKS)] == [None, None]
    plain = other.model_copy(update={"dots": False})
    told = verdict.model_copy(update={"kernels": (*verdict.kernels, plain)})
    assert [roof.tflop_s for roof in roofs(told, PEAKS)] == [pytest.approx(100.0), None]


def test_more_than_the_device_can_do_is_unknown_and_leaves_all_headroom() -> None:
    roof = only(default_task(tail_kernel().model_copy(update={"read_bytes": 2 * TENSOR_BYTES})))
    assert roof.fraction is None
    assert roof.headroom == roof.share
    slightly = only(default_task(tail_kernel(1.05)))
    assert slightly.fraction == 1.0


def test_a_floor_that_a_baseline_ran_below_is_lowered_to_its_time() -> None:
    alone = tail_kernel(0.98).model_copy(update={"time_share": 1.0})
    took = kernel_ms(0.98)
    verdict = default_task(alone).model_copy(update={"time": timing(took)})
    assert (only(verdict).fraction, only(verdict).ceiling) == (pytest.approx(0.98), "copy bandwidth")
    faster = verdict.model_copy(update={"baseline": {"eager": timing(3 * took), "compile": timing(0.9 * took)}})
    roof = only(faster)
    assert (roof.fraction, roof.headroom) == (pytest.approx(0.9), pytest.approx(0.1))
    assert (roof.bound, roof.ceiling) == ("memory", "speed of torch.compile")
    slower = verdict.model_copy(update={"baseline": {"eager": timing(took), "compile": timing(0.99 * took)}})
    assert only(slower) == only(verdict)


def test_floors_are_lowered_together_and_only_where_they_are_known() -> None:
    half = tail_kernel(1.0).model_copy(update={"time_share": 0.5})
    unknown = tail_kernel().model_copy(update={"name": "unknown", "read_bytes": None, "time_share": 0.1})
    took = 2 * kernel_ms(1.0)
    verdict = default_task().model_copy(
        update={
            "time": timing(took),
            "kernels": (half, half.model_copy(update={"name": "other"}), unknown),
            "baseline": {"eager": timing(0.8 * took), "compile": None},
        }
    )
    found = roofs(verdict, PEAKS)
    assert [roof.fraction for roof in found] == [pytest.approx(0.8), pytest.approx(0.8), None]
    assert [roof.passed_by for roof in found] == ["eager", "eager", ""]


def test_specialisations_of_one_kernel_share_its_time() -> None:
    half = tail_kernel().model_copy(update={"read_bytes": TENSOR_BYTES // 2, "written_bytes": TENSOR_BYTES // 2})
    verdict = default_task().model_copy(update={"kernels": (half, half)})
    assert only(verdict).fraction == pytest.approx(0.92)


def test_bytes_that_were_not_counted_leave_the_fraction_unknown() -> None:
    roof = only(default_task(tail_kernel().model_copy(update={"read_bytes": None})))
    assert (roof.fraction, roof.bound, roof.gb_s) == (None, None, None)
    assert roof.headroom == roof.share


def test_nothing_is_said_about_what_was_not_measured() -> None:
    unmeasured = default_task().model_copy(update={"time": None})
    assert roofs(unmeasured, PEAKS) == ()
    assert elsewhere(unmeasured, PEAKS) is None
    assert own_headroom(()) is None


def test_a_share_that_nobody_knows_leaves_the_headroom_of_all_unknown() -> None:
    unknown = Roof("b", None, None)
    assert own_headroom((only(default_task()), unknown)) is None
    kernel = tail_kernel().model_copy(update={"time_share": None})
    assert only(default_task(kernel)).share == pytest.approx(0.149, abs=0.001)  # from the profile of a forward


def test_the_rest_of_a_forward_is_held_against_what_a_kernel_in_its_place_may_use() -> None:
    found = elsewhere(default_task(), PEAKS)
    assert found is not None
    assert (found.what, found.rate) == ("convolution (cuDNN)", "FP32")
    assert found.share == pytest.approx(0.85, abs=0.005)
    assert found.fraction == pytest.approx(0.126, abs=0.001)  # 10.4 of 82.6 TFLOP/s
    verdict = default_task()
    reduced = verdict.evidence.model_copy(update={"precision": {"allow_reduced": True}})
    measured = PEAKS.model_copy(update={"source": "measured", "tf32_tflops": 70.0})
    other = elsewhere(verdict.model_copy(update={"evidence": reduced}), measured)
    assert other is not None
    assert (other.rate, other.fraction) == ("TF32", pytest.approx(0.149, abs=0.001))


def test_torchs_small_operators_have_no_rate() -> None:
    verdict = default_task()
    work = (GpuWork(name="vectorized_elementwise_kernel", kind="other", operator="mul", ms=3.0, share=0.2),)
    found = elsewhere(
        verdict.model_copy(update={"evidence": verdict.evidence.model_copy(update={"gpu_work": work})}), PEAKS
    )
    assert found is not None
    assert (found.what, found.fraction, found.headroom) == ("torch's other work (mul)", None, None)


def test_measured_ceilings_come_before_the_datasheets() -> None:
    assert ceilings_of(default_task(), GPU).source == "datasheet"
    measured = PEAKS.model_copy(update={"source": "measured", "copy_gb_s": 920.0})
    verdict = default_task()
    known = verdict.model_copy(update={"evidence": verdict.evidence.model_copy(update={"ceilings": measured})})
    assert ceilings_of(known, GPU).copy_gb_s == 920.0


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("convolution", "convolution"),
        ("cudnn_convolution_transpose", "convolution"),
        ("addmm", "matmul"),
        ("_scaled_mm", "matmul"),
        ("_scaled_dot_product_flash_attention", "attention"),
        ("native_layer_norm", ""),
        ("mul", ""),
    ],
)
def test_families_of_operators(operator: str, expected: str) -> None:
    assert family(operator) == expected


@pytest.mark.parametrize(
    ("name", "operator", "expected"),
    [
        ("fused", "", "own"),
        ("fused", "mm", "vendor"),  # a name of torch's own may be the same
        ("sm90_xmma_gemm_f32f32_tf32f32_f32_tn_n", "", "vendor"),
        ("void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_128x128>", "mm", "vendor"),
        ("nvjet_hsh_128x256_64x4", "", "vendor"),
        ("void at::native::vectorized_elementwise_kernel<4, MulFunctor>", "mul", "other"),
        ("Memcpy DtoD (Device -> Device)", "copy_", "other"),
        ("triton_poi_fused_relu", "", "other"),
    ],
)
def test_whose_kernel_it_is(name: str, operator: str, expected: str) -> None:
    assert kind_of(name, operator, ("fused",)) == expected


def test_the_constructed_task_is_the_default_one() -> None:
    assert CONVOLUTION_FLOPS == 2 * 32 * 64 * 4**3 * 32 * 16 * 32 * 32
