"""How processes that need torch start."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Imports of torch make half a million objects and little garbage: looking for it took a fifth of the start.

    What there is at the end is not looked through later either, so that no long collection falls into what is timed.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
