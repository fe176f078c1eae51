"""A run's log in the store, and the state that it folds to: nothing enters one without the other."""

from collections import deque

from candidates.store import Ask, Step, Store, Use
from harness.state import State, in_order


class Log:
    """The log of one run. `unanswered` holds what earlier invocations asked for in vain, with the state before it."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run = run_id
        self.state = State()
        asked: dict[int, tuple[Ask, State]] = {}
        for event in in_order(store.asks(run_id), store.steps(run_id)):
            if isinstance(event, Ask):
                asked[event.number] = event, self.state
            self.state = self.state.after(event)
        self.unanswered = deque(asked[ask.number] for ask in self.state.pending)

    def ask(self, ask: Ask) -> None:
        """Save an ask before it is put to anybody."""
        self._store.add_ask(self._run, ask)
        self.state = self.state.after(ask)

    def reopen(self, ask: Ask) -> None:
        """Save that another attempt at an unanswered ask begins."""
        self._change(ask)

    def close(self, ask: Ask) -> None:
        """Save that an attempt ended without an answer, and cost nothing."""
        self._change(ask.model_copy(update={"open": False}))

    def count_lost(self) -> None:
        """Count attempts that nothing is known about at their worst: they may have been billed."""
        for place, (ask, before) in enumerate(self.unanswered):
            if ask.open:
                lost = ask.model_copy(update={"open": False, "lost": total(ask.lost, ask.reserved)})
                self._change(lost)
                self.unanswered[place] = lost, before

    def step(self, step: Step) -> None:
        """Save the answer to an ask and what came of it."""
        self._store.add_step(self._run, step)
        self.state = self.state.after(step)

    def _change(self, ask: Ask) -> None:
        self._store.change_ask(self._run, ask)
        self.state = self.state.changed(ask)


def total(one: Use, other: Use) -> Use:
    """Both together."""
    return Use(
        usd=None if one.usd is None or other.usd is None else one.usd + other.usd,
        tokens=one.tokens + other.tokens,
        calls=one.calls + other.calls,
    )
