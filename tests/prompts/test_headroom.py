"""When the roofline ends a stage, and in which words."""

from typing import Any

import pytest

from evaluator.verdict import Verdict
from evaluator.work import Ceilings
from prompts import facts, headroom
from prompts.stages import Stage
from tests.evaluator.verdicts import KERNEL, default_task, kernel_ms, rtx4090, tail_kernel, timing

MIN_GAIN = 0.02


def known(verdict: Verdict) -> dict[str, Any]:
    return dict(facts.collect(verdict, None, rtx4090()))


def test_a_kernel_at_the_memorys_speed_ends_finetune_after_one_evaluation(stages: dict[str, Stage]) -> None:
    said = headroom.stop(known(default_task()), stages["finetune"], MIN_GAIN)
    assert said == (
        f"{KERNEL} runs at 92 % of the datasheet's bandwidth and takes 15 % of the forward: at most 1.2 % is left, "
        "below min_gain 2 %; headroom is in the convolution (cuDNN, 85 % of the time, 13 % of the FP32 rate): "
        "stage draft could take it"
    )


@pytest.mark.parametrize("name", ["grid", "tiling", "memory", "finetune"])
def test_every_stage_that_tunes_kernels_can_end_so(stages: dict[str, Stage], name: str) -> None:
    assert headroom.stop(known(default_task()), stages[name], MIN_GAIN)


@pytest.mark.parametrize("name", ["draft", "repair"])
def test_a_stage_that_writes_anew_does_not(stages: dict[str, Stage], name: str) -> None:
    assert headroom.stop(known(default_task()), stages[name], MIN_GAIN) == ""


def test_a_slower_kernel_goes_on(stages: dict[str, Stage]) -> None:
    slower = known(default_task(tail_kernel(0.8)))
    assert slower["headroom_percent"] > 2
    assert headroom.stop(slower, stages["finetune"], MIN_GAIN) == ""
    assert headroom.stop(slower, stages["finetune"], 0.05)


@pytest.mark.parametrize("what", ["read_bytes", "time_share"])
def test_what_was_not_measured_decides_nothing(stages: dict[str, Stage], what: str) -> None:
    verdict = default_task(tail_kernel().model_copy(update={what: None}))
    verdict = verdict.model_copy(update={"evidence": verdict.evidence.model_copy(update={"gpu_work": ()})})
    assert headroom.stop(known(verdict), stages["finetune"], MIN_GAIN) == ""


def test_an_unmeasured_candidate_never_ends_a_stage(stages: dict[str, Stage]) -> None:
    verdict = default_task().model_copy(update={"time": None})
    found = known(verdict)
    assert (found["own_headroom_percent"], found["roofline_percent"]) == (None, None)
    assert headroom.stop(found, stages["finetune"], MIN_GAIN) == ""
    assert headroom.stop({}, stages["finetune"], MIN_GAIN) == ""


def test_several_kernels_are_counted_together(stages: dict[str, Stage]) -> None:
    small = tail_kernel().model_copy(update={"name": "second", "time_share": 0.005, "read_bytes": None})
    verdict = default_task()
    found = known(verdict.model_copy(update={"kernels": (*verdict.kernels, small)}))
    said = headroom.stop(found, stages["finetune"], MIN_GAIN)
    assert said.startswith("its 2 kernels take 15 % of the forward: at most 1.7 % is left")


def test_facts_of_the_roofline() -> None:
    found = known(default_task())
    assert found["bound"] == "memory"
    assert found["achieved_gb_s"] == pytest.approx(0.92 * 1008, abs=0.1)
    assert (found["roofline_percent"], found["time_share_percent"]) == (92.0, 14.9)
    assert (found["elsewhere"], found["elsewhere_rate"]) == ("convolution (cuDNN)", "FP32 rate")
    assert found["achieved_tflop_s"] is None


def test_where_nothing_is_known_of_the_rest_it_says_so(stages: dict[str, Stage]) -> None:
    verdict = default_task()
    evidence = verdict.evidence.model_copy(update={"torch_flops": {}})
    said = headroom.stop(known(verdict.model_copy(update={"evidence": evidence})), stages["finetune"], MIN_GAIN)
    assert said.endswith("85 % of the time is in convolution (cuDNN), of which nobody knows how fast it could be")


def test_without_counters_the_ceiling_that_a_kernel_is_near_says_what_binds_it() -> None:
    near, far = known(default_task()), known(default_task(tail_kernel(0.5)))
    assert (near["memory_bound"], near["compute_bound"]) == (True, False)
    assert (far["memory_bound"], far["compute_bound"]) == (None, None)


def test_a_measured_ceiling_is_called_what_was_measured(stages: dict[str, Stage]) -> None:
    reached = Ceilings.of_datasheet(rtx4090()).model_copy(update={"source": "measured", "copy_gb_s": 940.0})
    verdict = default_task()
    evidence = verdict.evidence.model_copy(update={"ceilings": reached})
    said = headroom.stop(known(verdict.model_copy(update={"evidence": evidence})), stages["finetune"], MIN_GAIN)
    assert said.startswith(f"{KERNEL} runs at 99 % of the copy bandwidth and takes 15 % of the forward: at most 0.2 %")


def test_a_kernel_at_the_copys_speed_goes_on_where_torch_compile_is_faster(stages: dict[str, Stage]) -> None:
    took = kernel_ms(0.99)
    verdict = default_task(tail_kernel().model_copy(update={"time_share": 1.0})).model_copy(
        update={"time": timing(took), "baseline": {"eager": None, "compile": timing(0.93 * took)}}
    )
    verdict = verdict.model_copy(update={"evidence": verdict.evidence.model_copy(update={"gpu_work": ()})})
    found = known(verdict)
    assert (found["roofline_percent"], found["roof"]) == (93.0, "speed of torch.compile")
    assert headroom.stop(found, stages["finetune"], MIN_GAIN) == ""
    said = headroom.stop(found, stages["finetune"], 0.1)
    assert said.startswith(f"{KERNEL} runs at 93 % of the speed of torch.compile and takes 100 % of the forward")


def test_a_kernel_bound_by_arithmetic_names_the_rate(stages: dict[str, Stage]) -> None:
    verdict = default_task(tail_kernel().model_copy(update={"dots": True, "time_share": 1.0}))
    cost = verdict.evidence.cost
    assert cost is not None
    more = cost.model_copy(update={"contractions": {"mm": int(1.26e12)}})  # 15.25 of 15.5 ms at 82.6 TFLOP/s
    evidence = verdict.evidence.model_copy(update={"cost": more, "torch_flops": {}, "gpu_work": ()})
    found = known(verdict.model_copy(update={"evidence": evidence}))
    assert (found["bound"], found["compute_bound"], found["memory_bound"]) == ("compute", True, False)
    said = headroom.stop(found, stages["finetune"], MIN_GAIN)
    assert said == (
        f"{KERNEL} runs at 98 % of the datasheet's FP32 rate and takes 100 % of the forward: at most 1.6 % is left, "
        "below min_gain 2 %"
    )
