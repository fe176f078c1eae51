"""Where the current code stands: changes from its parent, the board, and the roofline."""

from evaluator.gpus import Gpu
from evaluator.verdict import Evidence, Gain, KernelFacts, Profile, Status, Timing, Verdict
from evaluator.work import GpuWork, TaskCost
from prompts.facts import collect
from prompts.standing import board_lines, delta_lines, headroom_lines
from tests.prompts.test_render import Attempt, Before, failed


def at(verdict: Verdict, ms: float, **changes: object) -> Verdict:
    time = Timing(median_ms=ms, low_ms=ms, high_ms=ms, samples_ms=(ms,))
    return verdict.model_copy(update={"time": time, **changes})


def test_deltas_are_of_what_is_known_of_both_and_differs(
    timed: Verdict, profile: Profile, kernel: KernelFacts, gpu: Gpu
) -> None:
    wider = kernel.model_copy(update={"registers": 96, "spill_bytes": 8, "occupancy": 0.5, "shared_bytes": None})
    now = at(timed, 0.03, kernels=(wider,))
    lines = delta_lines(collect(now, None, gpu), Before(timed, profile), now, gpu)
    assert lines[0] == "time: 0.04 -> 0.03 ms (25.0 % less, measured apart)"
    assert "registers: 48 -> 96 registers/thread" in lines
    assert "spill_bytes: 0 -> 8 bytes/thread" in lines
    assert "occupancy_percent: 75 -> 50 %" in lines
    assert not [line for line in lines if line.startswith(("dram_throughput", "shared_bytes", "num_warps"))]


def test_a_comparison_in_turns_outweighs_two_measurements(timed: Verdict, gpu: Gpu) -> None:
    gain = Gain(estimate=-0.031, low=-0.04, incumbent="0" * 64, incumbent_ms=0.0388, rounds=10)
    now = at(timed, 0.04, gain=gain)
    (line,) = delta_lines(collect(now, None, gpu), Before(timed), now, gpu)
    assert line == "time: 0.0388 -> 0.04 ms (3.1 % more, measured in turns)"


def test_counters_of_both_profiles_are_compared_and_another_kernel_is_named(
    timed: Verdict, profile: Profile, kernel: KernelFacts, gpu: Gpu
) -> None:
    better = {name: value / 2 for name, value in profile.kernels["relu_scale_kernel"].items()}
    now = at(timed, 0.04, kernels=(kernel.model_copy(update={"name": "other"}),))
    facts = collect(now, Profile(source="ncu", kernels={"other": better}), gpu)
    lines = delta_lines(facts, Before(timed, profile), now, gpu)
    assert lines[1] == "kernel: relu_scale_kernel -> other"
    assert "sm_throughput: 20.5 -> 10.25 % of peak" in lines
    assert delta_lines(facts, None, now, gpu) == []


def test_the_board_ranks_what_is_right_and_marks_the_current_code(timed: Verdict, compiled: Verdict) -> None:
    fast, slow = at(timed, 0.02), at(timed, 0.08)
    tried = [
        Attempt("slower", slow, False, "a"),
        Attempt("unmeasured", compiled, False, "b"),
        Attempt("the\nfastest", fast, True, "c"),
        Attempt("wrong", failed(Status.WRONG_OUTPUT, "no"), False, "d"),
    ]
    assert board_lines(tried, fast) == [
        "1. the fastest (the current code): 0.02 ms",
        "2. slower: 0.08 ms, 4.00x the current time",
        "3. unmeasured: not timed; 48 registers/thread, 0 bytes spilled, occupancy 75%",
    ]
    assert board_lines(tried[:1], slow) == []
    many = [Attempt(f"change {ms}", at(timed, ms), False, str(ms)) for ms in range(1, 20)]
    assert len(board_lines(many, None)) == 5


def test_headroom_says_where_the_time_goes_and_what_is_left(timed: Verdict, kernel: KernelFacts, gpu: Gpu) -> None:
    moving = kernel.model_copy(update={"time_share": 0.25, "read_bytes": 4_600_000, "written_bytes": 4_600_000})
    work = GpuWork(name="implicit_gemm", operator="convolution", kind="vendor", share=0.75, ms=0.03)
    cost = TaskCost(read_bytes=1, written_bytes=1, contractions={"convolution": 330_000_000})
    evidence = Evidence(gpu_work=(work,), torch_flops={"convolution": 330_000_000}, cost=cost)
    own, elsewhere, left = headroom_lines(at(timed, 0.04, kernels=(moving,), evidence=evidence), gpu)
    # 9.2 MB at 1008 GB/s take 0.00913 ms; the kernel takes 0.01 ms
    assert own.startswith(
        "relu_scale_kernel: 25% of the time, at 91% of the memory bandwidth from the datasheet (920 GB/s)"
    )
    assert elsewhere.startswith("convolution (cuDNN): 75% of the time, at ")
    assert left == "Tuning its own kernels can gain at most 2.2 % of the time."
    assert headroom_lines(timed.model_copy(update={"time": None}), gpu) == []
