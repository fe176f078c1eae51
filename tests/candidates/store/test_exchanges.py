from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy

from candidates.store import Store, schema
from evaluator.errors import StoreError

KEY, OTHER = "a" * 64, "b" * 64


def test_the_latest_answer_is_found_and_the_earlier_ones_are_kept(store: Store, root: Path, url: str) -> None:
    assert store.exchange(KEY) is None

    store.put_exchange(KEY, "question", "first")
    store.put_exchange(OTHER, "another", "other")
    store.put_exchange(KEY, "question", "second \ud800")

    assert store.exchange(KEY) == "second \ud800"
    assert store.exchange(OTHER) == "other"
    engine = sqlalchemy.create_engine(url or f"sqlite:///{root / 'harness.db'}")
    table = schema.exchanges
    query = sqlalchemy.select(table.c.request, table.c.response).where(table.c.key == KEY).order_by(table.c.id)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    engine.dispose()
    assert [(store.text(request), store.text(response)) for request, response in rows] == [
        ("question", "first"),
        ("question", "second \ud800"),
    ]


def test_many_threads_at_once(store: Store) -> None:
    def work(number: int) -> str | None:
        key = f"{number % 10:064d}"
        store.put_exchange(key, f"question {number % 10}", f"answer {number % 10}")
        return store.exchange(key)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(work, range(80)))

    assert found == [f"answer {number % 10}" for number in range(80)]


def test_a_lost_text_is_said(store: Store, root: Path) -> None:
    store.put_exchange(KEY, "question", "answer")
    for path in (root / "blobs").rglob("*"):
        if path.is_file() and path.read_text() == "answer":
            path.unlink()

    with pytest.raises(StoreError, match="missing from the store"):
        store.exchange(KEY)
