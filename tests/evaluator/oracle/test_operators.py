"""The policy on torch operators, and what a profile of the GPU says about who did the work."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch.autograd import DeviceType

from evaluator.catalog import DEFAULT_TOLERANCE
from evaluator.errors import UsageError
from evaluator.inside.observation import gpu_work
from evaluator.oracle.charges import Violation
from evaluator.oracle.exchange import Slot
from evaluator.oracle.integrity import Integrity, read_work
from evaluator.oracle.operators import NEGLIGIBLE, check_policy, forbidden, working
from evaluator.oracle.worker import WorkerFailure
from evaluator.tasks import Task, Tolerance

LARGEST = 1 << 20


def task(*torch_ops: str) -> Task:
    tolerance = Tolerance(name=DEFAULT_TOLERANCE, rtol=1e-4, atol=1e-4, reference_factor=3)
    return Task(name="t", reference="", path=Path("t.py"), tolerance=tolerance, torch_ops=torch_ops)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("convolution", "convolution"),
        ("cudnn_convolution_transpose", "convolution"),
        ("mkldnn_convolution", "convolution"),
        ("mm", "matmul"),
        ("bmm", "matmul"),
        ("addmm", "matmul"),
        ("baddbmm", "matmul"),
        ("addmv", "matmul"),
        ("_int_mm", "matmul"),
        ("_scaled_mm", "matmul"),
        ("_scaled_dot_product_flash_attention", "attention"),
        ("native_layer_norm", "layer_norm"),
        ("native_layer_norm", "native_layer_norm"),
        ("_softmax", "softmax"),
        ("relu_", "relu"),
        ("anything", "any"),
    ],
)
def test_a_policy_allows_what_it_names(name: str, policy: str) -> None:
    assert forbidden({name: 1}, (policy,)) == {}
    assert forbidden({name: 1}, ()) == {name: 1}
    assert forbidden({name: 1, "gelu": 2}, (policy,)) == ({} if policy == "any" else {"gelu": 2})


@pytest.mark.parametrize("name", ["copy_", "_to_copy", "clone", "cat", "constant_pad_nd", "zero_", "fill_", "empty"])
def test_moving_and_casting_is_no_work(name: str) -> None:
    assert working({name: LARGEST}, LARGEST, NEGLIGIBLE) == {}


def test_next_to_nothing_is_no_work() -> None:
    counts = {"mul": LARGEST // 100, "gelu": LARGEST // 64}
    assert working(counts, LARGEST, NEGLIGIBLE) == {"gelu": LARGEST // 64}


def test_a_policy_may_only_name_what_there_is() -> None:
    check_policy(("any", "convolution", "matmul", "attention", "gelu"), "t.yaml")
    with pytest.raises(UsageError, match=r"t\.yaml names matmull"):
        check_policy(("matmull",), "t.yaml")


def event(name: str, us: float, kernels: tuple[tuple[str, float], ...] = (), note: bool = False) -> Any:
    """As torch's profiler gives them: an operator with the kernels it launched, or something on the GPU."""
    return SimpleNamespace(
        name=name,
        device_type=DeviceType.CPU if kernels else DeviceType.CUDA,
        is_user_annotation=note,
        time_range=SimpleNamespace(elapsed_us=lambda: us),
        kernels=[SimpleNamespace(name=each, duration=duration) for each, duration in kernels],
    )


EVENTS = (
    event("own_kernel", 300.0),
    event("own_kernel", 100.0, note=True),  # a range that the program named
    event("sgemm", 100.0),
    event("elementwise", 40.0),
    event("aten::mm", 5.0, (("sgemm", 100.0),)),
    event("aten::relu", 5.0, (("elementwise", 40.0),)),
    event("Memset (Device)", 60.0),
)


def test_a_profile_says_who_launched_what() -> None:
    assert [(entry["name"], entry["operator"], entry["ms"]) for entry in gpu_work(EVENTS)] == [
        ("own_kernel", "", 0.3),
        ("sgemm", "mm", 0.1),
        ("Memset (Device)", "", 0.06),
        ("elementwise", "relu", 0.04),
    ]


def test_the_own_share_is_that_of_kernels_that_no_operator_launched() -> None:
    integrity = Integrity(task("any"))
    read_work(gpu_work(EVENTS), ("own_kernel", "sgemm"), integrity)
    assert integrity.own_share == pytest.approx(0.6)
    assert integrity.findings == []


def test_kernels_of_nobodys_are_a_violation_where_torch_does_nothing() -> None:
    work = gpu_work((event("own_kernel", 10.0), event("replayed_gemm", 90.0)))
    with pytest.raises(Violation, match=r"90% of the GPU time.*replayed_gemm"):
        read_work(work, ("own_kernel",), Integrity(task()))
    integrity = Integrity(task("any"))
    read_work(work, ("own_kernel",), integrity)
    assert [finding["rule"] for finding in integrity.findings] == ["foreign-kernels", "own-share"]


def test_what_torch_does_while_a_ring_is_captured_is_held_against_the_policy() -> None:
    slot = Slot([{"shape": [1024, 1024]}], [{"shape": [1024, 8]}])
    examination: Any = SimpleNamespace(exchange=SimpleNamespace(first=slot))
    integrity = Integrity(task())
    scaling = {"mul": 60 * LARGEST // 100, "zeros": 60 * LARGEST}
    integrity.read_capture(examination, {"operators": scaling}, 60, NEGLIGIBLE)
    with pytest.raises(Violation, match=r"relu \(1,048,576 elements\)"):
        integrity.read_capture(examination, {"operators": {"relu": 60 * LARGEST}}, 60, NEGLIGIBLE)
    with pytest.raises(WorkerFailure, match="protocol"):
        integrity.read_capture(examination, {"operators": "none"}, 60, NEGLIGIBLE)


@pytest.mark.parametrize(
    "said", [None, [{"name": 1}], "text", *([{"name": "a", "operator": "", "ms": ms}] for ms in ("much", -1, "nan"))]
)
def test_a_profile_that_is_none_costs_the_candidate(said: Any) -> None:
    with pytest.raises(WorkerFailure, match="protocol"):
        read_work(said, (), Integrity(task()))


def test_the_work_of_a_forward_is_a_table_with_the_largest_first() -> None:
    small = [{"name": f"elementwise_{number}", "operator": "add", "ms": 0.01} for number in range(40)]
    large = [
        {"name": "own_kernel", "operator": "", "ms": 2.0},
        {"name": "sm80_xmma_fprop" + "<int>" * 100, "operator": "cudnn_convolution", "ms": 6.0},
    ]
    integrity = Integrity(task("any"))
    read_work(small + large, ("own_kernel",), integrity)
    first, second, *_, last = integrity.work
    assert (first.kind, first.operator, len(first.name)) == ("vendor", "cudnn_convolution", 200)
    assert (second.name, second.kind) == ("own_kernel", "own")
    assert second.share == integrity.own_share == pytest.approx(2.0 / 8.4)
    assert (last.name, last.kind, last.ms) == ("18 more", "other", pytest.approx(0.18))
    assert sum(row.share for row in integrity.work) == pytest.approx(1.0)
    assert integrity.evidence()["gpu_work"] == integrity.work
