"""An event loop on a thread of its own, for callers that are not asynchronous."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from evaluator.errors import ModelError

_Result = TypeVar("_Result")


class Background:
    """Runs coroutines for any number of threads; the loop begins with the first one and ends with `close`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """The coroutine's result. Whatever ends the wait, such as Ctrl-C, ends the coroutine too.

        Raises:
            ModelError: the loop was closed before the coroutine came to its end.
        """
        future = self._submit(coroutine)
        try:
            return future.result()
        except CancelledError:
            raise ModelError("A request to the model's server was given up, because the run ends.") from None
        finally:
            future.cancel()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel what still runs, let `last` tidy up within the loop, and end the thread; nothing if none began."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_others(), loop).result()
        asyncio.run_coroutine_threadsafe(last(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _submit(self, coroutine: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        with self._lock:  # also while submitting: what comes after `close` would wait for ever
            if self._closed:
                coroutine.close()
                raise ModelError("The client of the model's server was closed.")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon: a person who stops twice must not wait for a server.
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
