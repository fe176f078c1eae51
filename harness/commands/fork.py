"""`harness fork ID`: a new run that starts from a saved candidate, with another model, prompt, stage or budget."""

from collections.abc import Sequence

from candidates.store import Store
from evaluator.errors import UsageError
from evaluator.tasks import Task
from harness import archive, arguments
from harness.config import load, load_store
from harness.overrides import keys
from harness.resolution import run_key
from harness.settings import Settings


def main(words: Sequence[str], debug: bool) -> int:
    """Do the run, or go on with it: the same candidate under the same settings is the same fork."""
    from harness.run import execute

    parser = arguments.parser("fork", json=False)
    parser.add_argument("id", metavar="ID", help="the beginning of a candidate's ID")
    given, overrides = arguments.parse(parser, words)
    named = keys(overrides)
    if "start" in named:
        raise UsageError("A fork starts from the candidate that it names.", "Leave start= out, or use harness run.")
    with archive.open_existing(load_store(overrides)) as store:
        digest = store.resolve(given.id)
        source, origin = store.source(digest), origin_of(store, digest)
        task = None if "task" in named else task_of(store, digest)
    return execute(forked(load(overrides), task, source, origin))


def origin_of(store: Store, digest: str) -> str:
    """The candidate and the run that first proposed it, in words."""
    runs = [step.run for step in store.lineage(digest) if step.candidate == digest]
    return f"candidate {digest[:12]}" + (f" of run {runs[0]}" if runs else "")


def task_of(store: Store, digest: str) -> Task:
    """The task that the candidate was judged on last.

    Raises:
        UsageError: it never was.
    """
    found = store.verdicts(digest)
    if not found:
        raise UsageError(f"Candidate {digest[:12]} was never judged on a task.", "Name the task with task=NAME.")
    return archive.stored_task(store, found[-1])


def forked(settings: Settings, task: Task | None, source: str, origin: str) -> Settings:
    """The settings of a run like this one that starts from `source`; on the settings' own task if `task` is None."""
    started = (task or settings.task).model_copy(update={"start": source})
    changed = settings.model_copy(update={"task": started, "origin": origin})
    return changed.model_copy(update={"key": run_key(changed)})
