"""How many requests are in flight at once: fewer when the server says that it is busy, slowly more afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harness.llm.retrying import PassingFailure


class Limiter:
    """Additive increase, multiplicative decrease: halved by a 429, one more for each round of successes.

    Lives in one event loop. `allowed` is a fraction between 1 and `most`; its whole part counts.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.allowed = float(most)
        self.in_flight = 0
        self._reductions = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Waits for its turn; what the block raises says whether the server was busy."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.in_flight < int(self.allowed))
            self.in_flight += 1
        reductions = self._reductions
        try:
            yield
            self.allowed = min(float(self.most), self.allowed + 1 / self.allowed)
        except PassingFailure as failure:
            # Of several requests that one burst sent, only the first refusal says something new.
            if failure.busy and reductions == self._reductions:
                self.allowed = max(1.0, self.allowed / 2)
                self._reductions += 1
            raise
        finally:
            self.in_flight -= 1
            async with self._changed:
                self._changed.notify_all()
