"""Opening the store for commands that look back, and finding things in it by the beginning of their IDs."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from candidates.store import glance
from candidates.store.overview import Overview
from evaluator.errors import UsageError
from harness.places import StoreSettings

if TYPE_CHECKING:
    from candidates.store import Store, StoredVerdict
    from evaluator.tasks import Task


def exists(settings: StoreSettings) -> bool:
    """False if nothing was ever stored there (a database elsewhere counts as something)."""
    return bool(settings.url) or (settings.root / "harness.db").exists()


def open_existing(settings: StoreSettings) -> "Store":
    """The store, which must be there already: looking back makes no folders.

    Raises:
        UsageError: there is none.
        StoreError: it can't be read.
    """
    if not exists(settings):
        raise UsageError(
            f"There are no results in {settings.root}.",
            "harness run makes some; store.root=PATH (or HARNESS_HOME) names another place.",
        )
    from candidates.store import Store

    return Store.open(settings.url, settings.root)


def overview(settings: StoreSettings) -> AbstractContextManager[Overview]:
    """What a board is made of, from a store that is there; quicker than the whole store.

    Raises:
        StoreError: it can't be read.
    """
    return glance.overview(settings.url, settings.root)


def best_verdict(found: "tuple[StoredVerdict, ...]") -> "StoredVerdict | None":
    """The one that says most about a candidate: measured before verified before failed; the latest of equals."""
    ranks = {"verified": 1, "unchecked": 2}
    ordered = sorted(found, key=lambda each: each.created, reverse=True)
    return min(
        ordered,
        key=lambda each: 0 if each.verdict.measured else ranks.get(str(each.verdict.status), 3),
        default=None,
    )


def stored_task(store: "Store", found: "StoredVerdict") -> "Task":
    """The task that a stored verdict is about, as it was then."""
    return store.task(found.task_digest)
