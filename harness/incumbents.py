"""What is known about code that verified: its profile, its facts, and how to measure against it."""

from collections.abc import Callable

from candidates.static_rules import Finding
from evaluator.request import Incumbent, Request
from evaluator.verdict import Profile, Verdict
from harness.decisions import Standing
from harness.evaluation import Judge
from prompts import facts
from prompts.stages import Facts


class Incumbents:
    """Looks at verified candidates of one task, target and machine; profiles are kept in the store."""

    def __init__(self, judge: Judge, metrics: tuple[str, ...], tell: Callable[[str], None]) -> None:
        self.judge = judge
        self.settings = judge.settings
        self.metrics = metrics
        self.tell = tell

    def opponent(self, digest: str, verdict: Verdict) -> Incumbent | None:
        """What a candidate is measured against; None where nothing can be measured."""
        if not self.settings.device:
            return None
        return Incumbent(digest=digest, source=self.judge.store.source(digest), autotune=verdict.evidence.autotune)

    def profile(self, digest: str, verdict: Verdict) -> Profile:
        """The profile with every metric that the run's stages ask for, taken at most once for what was compiled.

        Candidates that launch the same machine code in the same way share one, however their sources differ; one that
        tuning has brought to other code since its profile was taken gets a new one.
        """
        task, store, fingerprint = self.settings.task, self.judge.store, self.judge.fingerprint
        known = store.profile(digest, task.digest, fingerprint)
        if known is not None and self._complete(known) and known.compiled in ("", verdict.compiled):
            return known
        same = self._of_the_same_code(verdict.compiled)
        if same is not None:
            store.put_profile(digest, task.digest, fingerprint, same)
            return same
        if self.settings.device:
            self.tell(f"profiling {digest[:12]}")
        request = Request(
            source=store.source(digest),
            digest=digest,
            task=task,
            target=self.settings.gpu,
            autotune=verdict.evidence.autotune,
            kernels=tuple(dict.fromkeys(kernel.name for kernel in verdict.kernels)),
        )
        profile = self.judge.profile(request, self.metrics).model_copy(update={"compiled": verdict.compiled})
        store.put_profile(digest, task.digest, fingerprint, profile)
        return profile

    def known_profile(self, digest: str) -> Profile | None:
        """The profile that was taken of a candidate, if any; none is taken."""
        return self.judge.store.profile(digest, self.settings.task.digest, self.judge.fingerprint)

    def facts(self, digest: str, verdict: Verdict) -> Facts:
        """The named facts that conditions speak of, counters included."""
        return facts.collect(verdict, self.profile(digest, verdict), self.settings.gpu)

    def standing(self, digest: str, verdict: Verdict) -> Standing:
        """A candidate as decisions see it: without counters, which a candidate just judged does not have."""
        return Standing(digest, verdict, facts.collect(verdict, None, self.settings.gpu))

    def _of_the_same_code(self, compiled: str) -> Profile | None:
        """Another candidate's profile with all the metrics, if what it launches is the same."""
        taken = self.judge.store.profiles(self.settings.task.digest, self.judge.fingerprint) if compiled else ()
        same = (each for each in taken if each.compiled == compiled and each.source == "ncu" and self._complete(each))
        return next(same, None)

    def _complete(self, profile: Profile) -> bool:
        # A profile without counters is not taken again here: what kept the profiler away is still so.
        return profile.source == "static" or not set(facts.missing_metrics(self.metrics, profile)) - set(
            profile.missing
        )


def findings_of(verdict: Verdict) -> tuple[Finding, ...]:
    """The static findings that are kept with a verdict."""
    return tuple(Finding.model_validate(finding) for finding in verdict.evidence.findings)
