"""A run's log in the store, and the state that it folds to: nothing enters one without the other."""

from collections import deque

from pydantic import TypeAdapter

from candidates.store import Ask, Step, Store, Use
from harness.engine.asking import use
from harness.proposers.base import Proposal
from harness.state import State, in_order

_PROPOSAL = TypeAdapter(Proposal)
NO_USE = Use()


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
        """Save an ask before it is put to anybody; one that got no answer is asked again."""
        if ask.number < self.state.next_number:
            self._change(ask)
            self.unanswered.popleft()
        else:
            self._store.add_ask(self._run, ask)
            self.state = self.state.after(ask)

    def close(self, ask: Ask, lost: Use = NO_USE) -> None:
        """Save that an attempt ended without an answer, and what it may have cost all the same."""
        self._change(ask.model_copy(update={"open": False, "lost": total(ask.lost, lost)}))

    def keep(self, ask: Ask, proposal: Proposal) -> None:
        """Save what was proposed as soon as it is there: it was paid for. Any thread may call this."""
        arrived = self._store.put_text(_PROPOSAL.dump_json(proposal).decode())
        known = {"open": False, "arrived": arrived, "reserved": use(proposal.cost.spent())}
        self._store.change_ask(self._run, ask.model_copy(update=known))

    def kept(self, ask: Ask) -> Proposal | None:
        """What was proposed for an unanswered ask in an earlier invocation, if it came."""
        return _PROPOSAL.validate_json(self._store.text(ask.arrived)) if ask.arrived else None

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
