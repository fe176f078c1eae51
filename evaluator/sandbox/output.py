"""What a sandboxed program prints: read by a thread, so that a flood neither blocks it nor fills our memory."""

import os
import threading


class Tail:
    """The last `limit` bytes that came through a pipe. Owns and closes the descriptor that it reads."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._kept = bytearray()
        self._dropped = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._drain, name="sandbox-output", daemon=True)
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Wait until the last writer has gone, or for `seconds`."""
        self._thread.join(seconds)

    def text(self) -> str:
        """What is kept, as text; a first line says how much was dropped before it."""
        with self._lock:
            kept, dropped = bytes(self._kept[-self._limit :]), self._dropped
            dropped += len(self._kept) - len(kept)
        text = kept.decode(errors="replace")
        return f"[{dropped} bytes before this were dropped]\n{text}" if dropped else text

    def _drain(self) -> None:
        try:
            while chunk := os.read(self._descriptor, 65536):
                with self._lock:
                    self._kept += chunk
                    # Trimmed at twice the limit, so that each byte is moved once on average.
                    if len(self._kept) > 2 * self._limit:
                        excess = len(self._kept) - self._limit
                        del self._kept[:excess]
                        self._dropped += excess
        finally:
            os.close(self._descriptor)
