"""The recorded proposer: what was proposed in a saved run, proposed again in the same order. It costs nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluator.errors import ModelError
from harness.proposers.base import Context, Exchange, Proposal
from prompts.stages import Stage

if TYPE_CHECKING:
    from candidates.store import Step, Store


@dataclass(frozen=True)
class RecordedStep:
    """One saved proposal. A reply, or for proposers that write code themselves the source."""

    prompt: str | None = None
    reply: str | None = None
    source: str | None = None
    change: str = ""
    model: str = ""
    problem: str = ""
    stage: str = ""  # empty: fits every stage
    repair: bool = False
    analysis: Exchange | None = None


def read_steps(store: "Store", run_id: str) -> tuple[RecordedStep, ...]:
    """The proposals of a saved run, in order. A reply is preferred to the code that came out of it."""
    found = []
    for step in store.steps(run_id):
        if step.kind == "start":
            continue
        reply = store.text(step.reply) if step.reply else None
        found.append(
            RecordedStep(
                prompt=store.text(step.prompt) if step.prompt else None,
                reply=reply,
                source=store.source(step.candidate) if reply is None and step.candidate else None,
                change=step.change,
                model=step.model,
                problem=step.problem,
                stage=step.stage,
                repair=step.kind == "repair",
                analysis=_analysis(store, step),
            )
        )
    return tuple(found)


def _analysis(store: "Store", step: "Step") -> Exchange | None:
    if not step.analysis_prompt:
        return None
    reply = store.text(step.analysis_reply) if step.analysis_reply else ""
    return Exchange(store.text(step.analysis_prompt), reply)


class RecordedProposer:
    """Replays steps in order, each once.

    What happens here may differ from what happened then: a stage may end earlier, a failure may not occur. So the
    steps of stages that are over are passed by, and so are repairs of failures that did not happen; a failure that was
    not repaired then is not repaired now.
    """

    name = "recorded"

    def __init__(self, steps: Iterable[RecordedStep]) -> None:
        self._steps = tuple(steps)
        self._next = 0

    def why_not(self, stage: Stage) -> str:
        """Why nothing can be replayed in a stage, one sentence; empty if something can."""
        if any(step.stage in ("", stage.name) for step in self._steps[self._next :]):
            return ""
        return f"The recording holds no further proposal for stage {stage.name}."

    def propose(self, context: Context) -> Proposal | None:
        """The next recorded proposal for this stage; None when the recording has ended.

        Raises:
            ModelError: the step holds neither a reply nor code.
        """
        index = self._find(context)
        if index is None:
            return None
        self._next = index + 1
        step = self._steps[index]
        if step.reply is None and step.source is None and not step.problem:
            raise ModelError(
                f"Step {index + 1} of the recording holds neither a reply nor code.",
                "Choose another run with proposer.run=ID; its files may be missing from the store.",
            )
        return Proposal(
            proposer=self.name,
            change=step.change or "recorded reply",
            source=None if step.reply is not None else step.source,
            prompt=step.prompt,
            reply=step.reply,
            problem=step.problem,
            model=step.model,
            analysis=step.analysis,
        )

    def _find(self, context: Context) -> int | None:
        repair = context.failure is not None
        for index in range(self._next, len(self._steps)):
            step = self._steps[index]
            fits = step.stage in ("", context.stage.name) or (repair and step.repair)
            if fits and step.repair == repair:
                return index
            if repair:  # only the very next step can be the repair of what was just replayed
                return None
        return None
