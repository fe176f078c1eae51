"""The one path from source text to a stored verdict, shared by `evaluate`, `replay` and the loop."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from candidates import static_rules
from candidates.advice import Opinion
from candidates.static_rules import Finding
from candidates.store import Store, Subject
from evaluator.request import Incumbent, Request
from evaluator.service import Evaluator
from evaluator.triton_api import TritonApi
from evaluator.verdict import Evidence, Profile, Status, Timing, Verdict
from harness import ceilings
from harness.settings import Settings

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Judged:
    """What is known about one piece of source. `cached` is true if nothing had to be run to know it."""

    digest: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    cached: bool


class Judge:
    """Checks, looks up, evaluates and stores. `evaluator` must be open.

    A comparison with an incumbent is never answered from the store: it belongs to its session. What did not verify
    needs no comparison, so a stored failure is an answer in every case.
    """

    def __init__(self, settings: Settings, store: Store, evaluator: Evaluator, api: TritonApi) -> None:
        self.settings = settings
        self.store = store
        self.evaluator = evaluator
        self.api = api
        self.busy_s = 0.0  # wall seconds in which the evaluator worked for this judge
        description = evaluator.describe()
        self.fingerprint: str = description["fingerprint"]
        self.device: str = description["device"] or settings.gpu.unmeasured

    def judge(
        self,
        source: str,
        incumbent: Incumbent | None = None,
        fresh: bool = False,
        progress: Progress | None = None,
    ) -> Judged:
        """The verdict on `source`, stored.

        Args:
            source: what should be a Python module that defines ModelNew; anything else gets its verdict as well.
            incumbent: the candidate to alternate with; without a GPU nothing is timed and it changes nothing.
            fresh: evaluate even where the answer is known.
            progress: told what is being done, a few words at a time.

        Raises:
            HarnessError: the machine, the oracle or the store failed.
        """
        digest = self.store.put_candidate(source)
        findings = static_rules.check(source, self.api)
        if any(finding.severity == "refuse" for finding in findings):
            verdict = self._refusal(findings)
            self._keep(digest, verdict)
            return Judged(digest, verdict, findings, cached=False)
        subject = Subject(digest, self.settings.task.digest, self.fingerprint)
        if not fresh and (known := self._known(subject, incumbent)):
            return Judged(digest, known, findings, cached=True)
        with self.store.lease(subject, lambda: _tell(progress, "waiting for another run's verdict on it")) as waited:
            if waited and not fresh and (known := self._known(subject, incumbent)):
                return Judged(digest, known, findings, cached=True)
            verdict, findings = self._evaluate_and_keep(source, subject, findings, incumbent, progress)
        return Judged(digest, verdict, findings, cached=False)

    def _evaluate_and_keep(
        self,
        source: str,
        subject: Subject,
        findings: tuple[Finding, ...],
        incumbent: Incumbent | None,
        progress: Progress | None,
    ) -> tuple[Verdict, tuple[Finding, ...]]:
        """The verdict, with all findings beside it, stored."""
        with Opinion(source) as opinion:
            verdict = self._evaluate(source, subject, incumbent, progress)
            findings += opinion.findings()
        if findings:
            notes = (*verdict.evidence.findings, *(finding.model_dump(mode="json") for finding in findings))
            verdict = verdict.model_copy(
                update={"evidence": verdict.evidence.model_copy(update={"findings": notes})},
            )
        self._keep(subject.digest, verdict)
        return verdict, findings

    def profile(self, request: Request, metrics: tuple[str, ...]) -> Profile:
        """Profiler metrics of a verified candidate; says why where there are none."""
        with self._busy():
            return self.evaluator.profile(request, metrics)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.busy_s += time.monotonic() - began

    def _known(self, subject: Subject, incumbent: Incumbent | None) -> Verdict | None:
        """The stored verdict, if it is an answer."""
        known = self.store.verdict(subject.digest, subject.task_digest, subject.fingerprint)
        return known if known and self._answers(known, incumbent) else None

    def _answers(self, known: Verdict, incumbent: Incumbent | None) -> bool:
        # A refusal is cheap to find again, and the rules may have become milder since.
        if known.status in (Status.INFRA_ERROR, Status.RULE_VIOLATION, Status.EXTRACT_ERROR):
            return False
        compiled_for = {one.target for one in known.evidence.elsewhere}
        if known.status is Status.VERIFIED and not compiled_for.issuperset(gpu.name for gpu in self.settings.also):
            return False
        return incumbent is None or not self.settings.device or known.status is not Status.VERIFIED

    def _refusal(self, findings: tuple[Finding, ...]) -> Verdict:
        refusals = [finding for finding in findings if finding.severity == "refuse"]
        first = refusals[0]
        where = f"line {first.line}, " if first.line else ""
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        no_module = first.rule == "syntax" or (first.rule == "model" and not first.line)
        return Verdict(
            status=Status.EXTRACT_ERROR if no_module else Status.RULE_VIOLATION,
            reason=f"{where}{first.rule}: {first.message}{more}",
            task=self.settings.task.name,
            device=self.device,
            evidence=Evidence(
                target=self.settings.gpu.name,
                findings=tuple(finding.model_dump(mode="json") for finding in findings),
            ),
        )

    def _evaluate(
        self,
        source: str,
        subject: Subject,
        incumbent: Incumbent | None,
        progress: Progress | None,
    ) -> Verdict:
        task = self.settings.task
        known = self.store.verdict(subject.digest, subject.task_digest, subject.fingerprint)
        request = Request(
            source=source,
            digest=subject.digest,
            task=task,
            target=self.settings.gpu,
            also=self.settings.also,
            incumbent=incumbent,
            baseline=self.store.baseline(task.digest, self.fingerprint),
            ceilings=ceilings.known(self.settings.store.root, self.fingerprint),
            autotune=known.evidence.autotune if known else {},
            min_gain=self.settings.search.min_gain,
        )
        with self._busy():
            verdict = self.evaluator.evaluate(request, progress)
        times: dict[str, Timing] = {
            str(name): timing for name, timing in verdict.baseline.items() if timing is not None
        }
        if times:
            self.store.put_baseline(task.digest, self.fingerprint, times)
        if verdict.evidence.ceilings and verdict.evidence.ceilings != request.ceilings:
            ceilings.keep(self.settings.store.root, self.fingerprint, verdict.evidence.ceilings)
        return verdict

    def _keep(self, digest: str, verdict: Verdict) -> None:
        # An infra_error says nothing about the candidate, so it must not stand in for a verdict later.
        if verdict.status is Status.INFRA_ERROR:
            return
        self.store.put_task(self.settings.task)
        self.store.put_verdict(digest, self.settings.task, self.fingerprint, verdict)


def _tell(progress: Progress | None, doing: str) -> None:
    if progress is not None:
        progress(doing)
