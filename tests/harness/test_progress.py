"""What is shown while a run goes on."""

import io
from typing import Any

import pytest
from rich.console import Console

from candidates.store import Step
from evaluator.verdict import Status, Verdict
from harness.progress import LiveProgress, PlainProgress, account_line, best_line, choose, headline, step_line
from harness.state import State
from tests.harness.recording import failed, kernel, verdict


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=100, color_system="truecolor" if terminal else None), out


def step(index: int, decision: str, found: Verdict | None, **more: Any) -> Step:
    given: dict[str, Any] = {
        "index": index,
        "stage": "finetune",
        "round": index,
        "kind": "proposal",
        "candidate": f"{index:x}" * 64,
        "change": "num_warps 8 -> 4 in ln_gelu_scale",
        "verdict": found,
        "decision": decision,
        **more,
    }
    return Step(**given)


def test_a_terminal_gets_the_live_display_and_a_pipe_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert isinstance(choose(console(True)[0], 8), LiveProgress)
    assert isinstance(choose(console(False)[0], 8), PlainProgress)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose(console(True)[0], 8), PlainProgress)


def test_plain_progress_is_one_line_per_event_without_escapes() -> None:
    target, out = console(False)
    with PlainProgress(target) as progress:
        progress.now("compiling")
        progress.now("compiling")
        progress.recorded(step(1, "kept", verdict(ms=0.8), note="5.0% faster (at least +4.5%)"), State())
        progress.say("finetune ends: all rounds are done")
    lines = out.getvalue().splitlines()
    assert lines[0] == "  .. compiling"
    assert " ".join(lines[1].split()) == (
        "finetune 1 111111111111 verified kept num_warps 8 -> 4 in ln_gelu_scale: 0.8 ms, 2.50x eager, 1.88x compile"
        " (5.0% faster (at least +4.5%))"
    )
    assert len(lines) == 3
    assert "\x1b" not in out.getvalue()


def test_text_of_a_model_can_neither_act_on_the_terminal_nor_be_markup() -> None:
    target, out = console(False)
    evil = "\x1b]0;owned\x07[red]bold[/red]\u202eright\n\nsecond line"
    found = failed(Status.WRONG_OUTPUT, "no")
    PlainProgress(target).recorded(step(1, "failed", found, change=evil, note=evil), State())
    shown = out.getvalue()
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[red]bold[/red]" in shown
    assert len(shown.splitlines()) == 1


def test_live_progress_shows_what_runs_the_best_and_the_account() -> None:
    target, out = console(True)
    now = iter(float(second) for second in range(1000))
    progress = LiveProgress(target, 8, clock=lambda: next(now))
    log = [
        step(0, "start", verdict(ms=1.0), kind="start", stage="start"),
        step(1, "kept", verdict(ms=0.8), usd=0.0123, prompt_tokens=1000, completion_tokens=234, calls=1),
    ]
    with progress:
        progress.now("timing against \x1b[31mthe incumbent")
        target.print(progress.footer())
        for index in range(len(log)):
            progress.recorded(log[index], State.from_log(log[: index + 1]))
        target.print(progress.footer())
    shown = out.getvalue()
    assert "timing against \\x1b[31mthe incumbent" in shown
    assert "best so far: nothing that works yet" in shown
    assert "best so far: 111111111111, 0.8 ms, 2.50x eager, 1.88x compile" in shown
    assert "finetune round 1 of 8" in shown
    assert "2 candidates, 2 verified" in shown
    assert "1,234 tokens" in shown
    assert "$0.0123" in shown


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    target = Console(file=out, force_terminal=True, width=100)
    target.print(step_line(step(1, "kept", verdict(ms=0.8))))
    assert "\x1b[" not in out.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (verdict(ms=0.8), "0.8 ms, 2.50x eager, 1.88x compile"),
        (verdict(), "32 registers, no spills, occupancy 100%, unmeasured"),
        (
            verdict(kernels=(kernel(spill_bytes=16, occupancy=0.5), kernel(registers=64))),
            "64 registers, spills 16 B, occupancy 50%, unmeasured",
        ),
        (verdict(kernels=()), "unmeasured"),
    ],
)
def test_the_headline_of_a_verified_candidate(found: Verdict, said: str) -> None:
    assert headline(found) == said


def test_what_was_not_measured_is_not_called_best() -> None:
    state = State.from_log([step(0, "start", verdict(), kind="start")])
    assert best_line(state).startswith("current code: 0000")


def test_an_unknown_price_is_said_to_be_unknown() -> None:
    state = State.from_log([step(0, "kept", verdict(), usd=None, calls=1, prompt_tokens=5)])
    assert "cost unknown" in account_line(state, 8, 61.0)
    assert "1:01" in account_line(state, 8, 61.0)
