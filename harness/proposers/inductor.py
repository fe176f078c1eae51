"""The inductor proposer: begins with what torch.compile generates for the reference, then goes on by the rules.

The generated code becomes a candidate like any other, checked and timed. So a run need not end behind torch.compile.
"""

from collections.abc import Callable

from candidates.identity import digest
from candidates.inductor.merging import Unrewritable
from candidates.inductor.module import candidate
from evaluator.generation import Generation
from evaluator.tasks import Task
from harness.proposers.base import Context, Proposal
from harness.proposers.rules import RulesProposer
from prompts.stages import Stage

CHANGE = "what torch.compile generates"


class InductorProposer:
    """One draft for a run, in whichever stage comes first; afterwards it is the rules proposer.

    Args:
        generate: asks the evaluator for the code that torch.compile generates.
    """

    name = "inductor"

    def __init__(self, generate: Callable[[Task], Generation]) -> None:
        self._generate = generate
        self._rules = RulesProposer()
        self._drafted: Proposal | None = None

    @property
    def reason(self) -> str:
        """Why the last call of `propose` returned None."""
        return self._rules.reason

    def why_not(self, stage: Stage) -> str:
        """Why this proposer can do nothing in a stage, one sentence; empty if it can."""
        return "" if stage.template == "draft" else self._rules.why_not(stage)

    def propose(self, context: Context) -> Proposal | None:
        """The draft, unless this run has had it; else what the rules propose."""
        had = any(attempt.change == CHANGE for attempt in context.history)
        if context.failure is None and not had:
            draft = self._draft(context.task)
            if draft.source is None or digest(draft.source) not in context.seen:
                return draft
        return self._rules.propose(context)

    def _draft(self, task: Task) -> Proposal:
        """The draft; or why there is none, as the problem of a proposal without code."""
        if self._drafted is None:
            try:
                source = candidate(self._generate(task), task.reference)
                self._drafted = Proposal(proposer=self.name, change=CHANGE, source=source)
            except Unrewritable as error:
                problem = f"No draft from torch.compile: {error}."
                self._drafted = Proposal(proposer=self.name, change=CHANGE, problem=problem)
        return self._drafted
