"""Parts that can be left out: each by itself, all at once, and what is said about a name that is none."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from evaluator.errors import UsageError
from evaluator.failing import FailingCase, SourceLine
from evaluator.gpus import Gpu
from evaluator.triton_api import TritonApi
from evaluator.verdict import Profile, Status, Verdict
from prompts.context import PromptContext
from prompts.parts import OPTIONAL, known
from prompts.render import render
from prompts.stages import Stage
from tests.prompts.test_render import Attempt, Before, Failure, MakeTask, Version, failed

SIGNS: Mapping[str, tuple[str, str]] = {  # part -> the stage that shows it, and what is seen of it
    "example": ("draft", "[WORKED EXAMPLE]"),
    "legend": ("finetune", "[blocks]: program instances launched"),
    "inspirations": ("finetune", "[OTHER VERSIONS]"),
    "board": ("finetune", "[BEST SO FAR]"),
    "deltas": ("finetune", "What changed from the code"),
    "headroom": ("finetune", "Where the time goes"),
    "history": ("finetune", "[TRIED SO FAR]"),
    "static": ("finetune", "theoretical_occupancy_percent"),
    "counters": ("finetune", "Hardware counters"),
    "repeats": ("repair", "[SEEN BEFORE]"),
    "case": ("repair", "The smallest case found"),
    "facts": ("finetune", "Facts that the rules speak of"),
    "rules": ("finetune", "Low register pressure"),
    "reference": ("finetune", "class Model(nn.Module)"),
}


@pytest.fixture
def full(
    make_task: MakeTask, gpu: Gpu, api: TritonApi, stages: dict[str, Stage], timed: Verdict, profile: Profile
) -> PromptContext:
    """Everything that a prompt may show."""
    task = make_task("fusion")
    wrong = failed(Status.WRONG_OUTPUT, "2 of 512 elements differ")
    attempts = (Attempt("num_warps 4 -> 8", timed, False), Attempt("wider blocks", wrong, False))
    smallest = FailingCase(source=SourceLine(line=12, text="    x = tl.load(x_ptr + offsets)", column=8))
    broken = Failure(task.start, wrong.model_copy(update={"failing": smallest}), digest="b" * 64)
    others = (Version(task.start, timed, "it behaves otherwise"),)
    (kernel,) = timed.kernels
    timed = timed.model_copy(update={"kernels": (kernel.model_copy(update={"time_share": 0.9}),)})
    earlier = timed.model_copy(update={"kernels": (kernel.model_copy(update={"registers": 40}),)})
    board = (Attempt("start", earlier, True, "c" * 64), Attempt("eight warps", timed, True, "d" * 64))
    known = {"before": Before(earlier), "board": board} | {
        "source": task.start,
        "verdict": timed,
        "profile": profile,
        "history": attempts,
        "inspirations": others,
    }
    return PromptContext(task, gpu, stages["finetune"], api, failure=broken, **known)


def test_every_part_has_a_sign() -> None:
    assert set(SIGNS) == set(OPTIONAL)


@pytest.mark.parametrize("part", OPTIONAL)
def test_a_part_is_shown_unless_it_is_left_out(part: str, full: PromptContext, stages: dict[str, Stage]) -> None:
    stage, sign = SIGNS[part]
    context = replace(full, stage=stages[stage])
    whole, less = render(context), render(context, [part])
    assert sign in whole
    assert sign not in less
    assert len(less) < len(whole)


@pytest.mark.parametrize("part", OPTIONAL)
def test_a_part_that_is_left_out_takes_no_other_with_it(
    part: str, full: PromptContext, stages: dict[str, Stage]
) -> None:
    for other, (stage, sign) in SIGNS.items():
        if other != part and (part, other) != ("counters", "legend"):  # a legend explains the counters
            assert sign in render(replace(full, stage=stages[stage]), [part]), other


def test_parts_are_left_out_one_after_the_other_until_only_the_task_remains(full: PromptContext) -> None:
    lengths = [len(render(full, OPTIONAL[:count])) for count in range(len(OPTIONAL) + 1)]
    assert lengths == sorted(lengths, reverse=True)
    least = render(full, OPTIONAL)
    for kept in ("# Target GPU", "[CURRENT CODE]", full.source.strip(), "**Task**", "# Output rules (strict)", "RMS"):
        assert kept in least
    assert "\n\n\n" not in least.replace("\n\n\nclass", "").replace("\n\n\n@", "")


def test_a_draft_keeps_the_reference(full: PromptContext, stages: dict[str, Stage]) -> None:
    assert "class Model(nn.Module)" in render(replace(full, stage=stages["draft"]), OPTIONAL)


def test_an_unknown_part_is_refused_with_the_nearest(full: PromptContext) -> None:
    with pytest.raises(UsageError, match="histroy") as refused:
        render(full, ["histroy"])
    assert "Did you mean history?" in refused.value.remedy
    assert known(["rules", "facts"]) == {"facts", "rules"}
