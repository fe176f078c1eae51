"""Desks: where asks lie until they are answered. The loop puts asks on a desk and takes answers, one at a time.

Three of them. `Inline` has the proposer answer when the answer is wanted. `Threads` has several asks answered at the
same time and hands the answers out in the order in which they came. `Replay` hands out what a recording holds, in the
order in which it came then, and says when the next ask is due, so that the log becomes the one that was recorded.
"""

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from candidates.store import Ask
from evaluator.errors import HarnessError
from harness.proposers.base import Context, Explaining, Proposal, Proposer
from harness.proposers.recorded import RecordedProposer
from harness.settings import Settings
from harness.state import State


@dataclass(frozen=True)
class Answer:
    """What came back for an ask: a proposal, or none and why, or the error that kept it from being made."""

    ask: Ask
    context: Context
    proposal: Proposal | None
    reason: str = ""
    error: HarnessError | None = None
    seconds: float = 0.0


Keep = Callable[[Ask, Proposal], None]

# A signal that comes just as the main thread begins to wait does not wake it: it hears of Ctrl-C this late at most.
HEARING_S = 0.2


class Desk(Protocol):
    """See the module's description."""

    @property
    def open(self) -> int:
        """How many asks lie here: in flight, or answered and waiting to be taken."""
        ...

    @property
    def answered(self) -> int:
        """How many of them are answered and wait."""
        ...

    def has_room(self) -> bool:
        """Whether another ask may be put here."""
        ...

    def is_due(self, state: State) -> bool:
        """Whether the run may ask for something new now."""
        ...

    def put(self, ask: Ask, context: Context, kept: Proposal | None = None) -> None:
        """Have an ask answered; with what was `kept` of an earlier answer, nobody is asked again."""
        ...

    def take(self) -> Answer:
        """The next answer; waits for it. Something must be open."""
        ...


def choose(proposer: Proposer, settings: Settings, asked: Iterable[Ask], keep: Keep) -> Desk:
    """The desk for a proposer.

    Args:
        asked: what the run has asked for before this.
        keep: called with every answer that cost something, at once and in any thread.
    """
    if isinstance(proposer, RecordedProposer):
        return Replay(proposer, asked)
    concurrency = concurrency_of(settings)
    return Threads(proposer, keep, concurrency) if concurrency > 1 else Inline(proposer, keep)


def concurrency_of(settings: Settings) -> int:
    """How many asks a run may have open; only a model is worth asking for several things at a time."""
    return settings.llm.concurrency if settings.proposer.kind == "llm" else 1


def answer(proposer: Proposer, keep: Keep, ask: Ask, context: Context, kept: Proposal | None = None) -> Answer:
    """What the proposer says to an ask; an error of ours or of the machine is an answer as well."""
    if kept is not None:
        return Answer(ask, context, kept, seconds=kept.cost.seconds)
    began = time.monotonic()
    try:
        proposal = proposer.propose(context)
        if proposal is not None and proposal.cost.calls:
            keep(ask, proposal)
    except HarnessError as error:
        return Answer(ask, context, None, error=error)
    if proposal is not None:
        return Answer(ask, context, proposal, seconds=time.monotonic() - began)
    why = proposer.reason if isinstance(proposer, Explaining) else ""
    return Answer(ask, context, None, why.rstrip(".") or f"the {proposer.name} proposer has nothing left to offer")


class Inline:
    """One ask at a time."""

    answered = 0

    def __init__(self, proposer: Proposer, keep: Keep) -> None:
        self._proposer = proposer
        self._keep = keep
        self._asks: deque[tuple[Ask, Context, Proposal | None]] = deque()

    @property
    def open(self) -> int:
        return len(self._asks)

    def has_room(self) -> bool:
        return not self._asks

    def is_due(self, state: State) -> bool:
        return not state.pending

    def put(self, ask: Ask, context: Context, kept: Proposal | None = None) -> None:
        self._asks.append((ask, context, kept))

    def take(self) -> Answer:
        return answer(self._proposer, self._keep, *self._asks.popleft())


class Threads:
    """Up to `concurrency` asks at a time, each in a thread of its own.

    The threads are daemons: a person who asks twice to stop must not wait for a server.
    """

    def __init__(self, proposer: Proposer, keep: Keep, concurrency: int) -> None:
        self._proposer = proposer
        self._keep = keep
        self._concurrency = concurrency
        self._answers: queue.SimpleQueue[Answer | BaseException] = queue.SimpleQueue()
        self._open = 0

    @property
    def open(self) -> int:
        return self._open

    @property
    def answered(self) -> int:
        return self._answers.qsize()

    def has_room(self) -> bool:
        return self._open < self._concurrency

    def is_due(self, state: State) -> bool:
        return len(state.pending) < self._concurrency

    def put(self, ask: Ask, context: Context, kept: Proposal | None = None) -> None:
        self._open += 1
        threading.Thread(target=self._work, args=(ask, context, kept), name=f"ask {ask.number}", daemon=True).start()

    def take(self) -> Answer:
        taken = self._next()
        self._open -= 1
        if isinstance(taken, BaseException):
            raise taken
        return taken

    def _next(self) -> Answer | BaseException:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._answers.get(timeout=HEARING_S)

    def _work(self, ask: Ask, context: Context, kept: Proposal | None) -> None:
        try:
            self._answers.put(answer(self._proposer, self._keep, ask, context, kept))
        except BaseException as error:  # noqa: BLE001  the boundary of the thread: it is raised where it is taken
            self._answers.put(error)


class Replay:
    """What was recorded, in the order in which it came then; an ask that got no answer then comes last."""

    def __init__(self, proposer: RecordedProposer, asked: Iterable[Ask]) -> None:
        self._proposer = proposer
        self._asks: list[tuple[Ask, Context]] = []
        for ask in asked:
            proposer.assign(ask.number, ask.stage, ask.mends)

    @property
    def open(self) -> int:
        return len(self._asks)

    @property
    def answered(self) -> int:
        return len(self._asks)

    def has_room(self) -> bool:
        return True

    def is_due(self, state: State) -> bool:
        return not state.pending or self._proposer.asked_after(state.next_number) <= len(state.steps)

    def put(self, ask: Ask, context: Context, kept: Proposal | None = None) -> None:
        self._proposer.assign(ask.number, ask.stage, ask.mends)
        self._asks.append((ask, context))

    def take(self) -> Answer:
        first = min(self._asks, key=lambda pair: self._proposer.answered_at(pair[0].number))
        self._asks.remove(first)
        return answer(self._proposer, _keep_nothing, *first)


def _keep_nothing(ask: Ask, proposal: Proposal) -> None:
    """What was recorded once need not be kept again."""
