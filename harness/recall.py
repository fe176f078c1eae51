"""What a saved run was showing when it asked for something: made again from its log, without evaluating anything."""

from candidates.store import Step, Store
from evaluator.service import Evaluator
from evaluator.triton_api import TritonApi
from evaluator.verdict import Profile, Verdict
from harness.engine import asking
from harness.engine.contexts import Contexts
from harness.evaluation import Judge
from harness.incumbents import Incumbents
from harness.proposers.base import Context
from harness.settings import Settings
from harness.state import State
from prompts.stages import Stage


class Remembered(Incumbents):
    """Knows the profiles that the store has, and takes none."""

    def profile(self, digest: str, verdict: Verdict) -> Profile:
        return self.known_profile(digest) or Profile(source="static", reason="no profile was taken")


def repair_context(
    store: Store, settings: Settings, stages: dict[str, Stage], digest: str, api: TritonApi
) -> Context | None:
    """What the first repair of a failed candidate shows; None if no run has proposed it for this task."""
    step = next((step for step in store.lineage(digest) if _proposed(step, digest, settings)), None)
    if step is None:
        return None
    asks = [ask for ask in store.asks(step.run) if ask.after <= step.index]
    state = State.from_log(store.steps(step.run)[: step.index + 1], asks)
    broken = next((each for each in state.answers.values() if each.index == step.index), None)
    if broken is None or step.stage not in stages:
        return None
    evaluator = Evaluator(settings.evaluator, device=settings.device, target=settings.gpu)  # asked, never started
    judge = Judge(settings, store, evaluator, api)
    contexts = Contexts(settings, Remembered(judge, (), lambda doing: None))
    return contexts.context(state, asking.repair(state, broken), stages[step.stage])


def _proposed(step: Step, digest: str, settings: Settings) -> bool:
    verdict = step.verdict
    failed = step.decision == "failed" and step.kind != "start"
    return step.candidate == digest and failed and verdict is not None and verdict.task == settings.task.name
