"""What a person sees while a run goes on: a live display on a terminal, one line per event elsewhere.

Both show the same lines for the same events. Text that came from a candidate or a model is neutralised and never
read as markup. Colour follows NO_COLOR through rich.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from candidates.store import Step
from candidates.text import neutralise
from evaluator.verdict import Verdict
from harness.llm.budget import Spent
from harness.state import State

STYLES = {
    "kept": "bold green",
    "nominated": "green",
    "failed": "red",
    "duplicate": "dim",
    "reverted": "yellow",
    "declined": "dim",
}


class Progress(Protocol):
    """Told about every event of a run, and shows it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, text: str, style: str = "") -> None:
        """A line that stays."""
        ...

    def now(self, text: str) -> None:
        """What is being done at this moment, in a few words."""
        ...

    def flight(self, open: int, answered: int) -> None:
        """How many asks are open: in flight, and of these answered and waiting for the evaluator."""
        ...

    def recorded(self, step: Step, state: State) -> None:
        """A step was saved; `state` is the run after it."""
        ...


def choose(console: Console, rounds: int, clock: Callable[[], float] = time.monotonic) -> Progress:
    """The display for this console: live on a terminal that can move its cursor, plain lines elsewhere.

    Args:
        rounds: how many a stage may have, for the account of the run.
    """
    return (
        LiveProgress(console, rounds, clock)
        if console.is_terminal and not console.is_dumb_terminal
        else PlainProgress(console)
    )


class PlainProgress:
    """One line per event, for pipes, files and terminals without cursor movement."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.doing = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.doing = ""

    def say(self, text: str, style: str = "") -> None:
        self.console.print(Text(neutralise(text), style=style), soft_wrap=True)

    def now(self, text: str) -> None:
        if text != self.doing:
            self.doing = text
            self.say(f"  .. {text}", "dim")

    def flight(self, open: int, answered: int) -> None:
        pass  # changes too often for lines that stay

    def recorded(self, step: Step, state: State) -> None:
        self.doing = ""
        if step.decision != "declined":  # whoever ends the stage says why
            self.console.print(step_line(step), soft_wrap=True)


class LiveProgress:
    """Lines that scroll, over a footer that says what runs now and where the run stands."""

    def __init__(self, console: Console, rounds: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self.rounds = rounds
        self.clock = clock
        self.began = clock()
        self.changed = self.began
        self.spinner = Spinner("dots", "")
        self.doing = ""
        self.open = self.answered = 0
        self.state = State()
        self.live = Live(
            console=console, get_renderable=self.footer, refresh_per_second=8, transient=True, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        self.began = self.changed = self.clock()
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def say(self, text: str, style: str = "") -> None:
        self.console.print(Text(neutralise(text), style=style))

    def now(self, text: str) -> None:
        if text != self.doing:
            self.doing, self.changed = text, self.clock()

    def flight(self, open: int, answered: int) -> None:
        self.open, self.answered = open, answered

    def recorded(self, step: Step, state: State) -> None:
        self.state = state
        self.doing = ""
        if step.decision != "declined":  # whoever ends the stage says why
            self.console.print(step_line(step))

    def footer(self) -> RenderableType:
        """Two or three lines: what runs, the best so far, the account of the run."""
        seconds = int(self.clock() - self.changed)
        what = neutralise(self.doing) or "working"
        self.spinner.update(text=Text(f"{what} ({seconds} s)" if seconds else what, style="cyan"))
        account = account_line(self.state, self.rounds, self.clock() - self.began)
        if self.open > 1:
            account += f" · {self.open - self.answered} in flight, {self.answered} waiting"
        return Group(self.spinner, Text(best_line(self.state), style="bold"), Text(account, style="dim"))


def step_line(step: Step) -> Text:
    """`finetune 3   a1b2c3d4e5f6  verified       kept       num_warps 8 -> 4: 3.1 % faster (at least +2.8 %)`."""
    place = "start" if step.kind == "start" else f"{step.stage} {step.round}{'+' if step.kind == 'repair' else ''}"
    status = str(step.verdict.status) if step.verdict else ""
    line = Text(f"{place:<12} {step.candidate[:12] or '-':<12} {status:<15} ")
    line.append(f"{step.decision:<10}", style=STYLES.get(step.decision, ""))
    said = step.change if step.kind != "start" or step.proposer == "fork" else ""
    if step.verdict and step.verdict.status == "verified":
        said = f"{said}: {headline(step.verdict)}" if said else headline(step.verdict)
    line.append(" " + neutralise(one_line(said)))
    if step.note:
        line.append(f" ({neutralise(one_line(step.note))})", style="dim")
    return line


def headline(verdict: Verdict) -> str:
    """What there is to say about a verified candidate: its time, or its static facts where nothing was measured."""
    if verdict.time is not None:
        over = [f"{s:.2f}x {name}" for name in ("eager", "compile") if (s := verdict.speedup(name)) is not None]
        return ", ".join([f"{verdict.time.median_ms:.4g} ms", *over])
    known = [kernel for kernel in verdict.kernels if kernel.registers is not None]
    if not known:
        return "unmeasured"
    registers = max(kernel.registers or 0 for kernel in known)
    spilled = sum(kernel.spill_bytes or 0 for kernel in known)
    occupancies = [kernel.occupancy for kernel in known if kernel.occupancy is not None]
    parts = [f"{registers} registers", f"spills {spilled} B" if spilled else "no spills"]
    if occupancies:
        parts.append(f"occupancy {min(occupancies):.0%}")
    return ", ".join([*parts, "unmeasured"])


def best_line(state: State) -> str:
    """The code to beat, and whether that was measured."""
    verdict = state.verdicts.get(state.current)
    if verdict is None:
        return "best so far: nothing that works yet"
    name = "best so far" if verdict.measured else "current code"
    return f"{name}: {state.current[:12]}, {headline(verdict)}"


def account_line(state: State, rounds: int, seconds: float) -> str:
    """Stage and round, candidates, elapsed time, tokens and cost."""
    where = f"{state.stages[-1]} round {state.round} of {rounds}" if state.stages else "starting point"
    minutes, rest = divmod(int(seconds), 60)
    parts = [where, f"{len(state.verdicts)} candidates, {state.verified} verified", f"{minutes}:{rest:02d}"]
    return " · ".join([*parts, *spent_words(state.spent)])


def spent_words(spent: Spent) -> list[str]:
    """Tokens and dollars, if any were spent: `12,345 tokens`, `$0.0412`."""
    if not spent.calls and not spent.tokens:
        return []
    return [f"{spent.tokens:,} tokens", "cost unknown" if spent.usd is None else f"${spent.usd:.4f}"]


def one_line(text: str, limit: int = 160) -> str:
    """Whitespace folded and long text cut, so that one event stays one line."""
    folded = " ".join(text.split())
    return folded if len(folded) <= limit else folded[: limit - 1] + "…"
