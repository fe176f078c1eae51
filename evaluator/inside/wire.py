"""Framed JSON messages, with file descriptors, over a Unix socket: how oracle and worker talk.

The oracle reads what an untrusted process wrote, so a message is nothing but bounded JSON: no pickle, no code.
"""

import json
import socket
import struct
import time
from typing import Any

Message = dict[str, Any]

_HEADER = struct.Struct("!I")
_MAX_BYTES = 32 * 1024 * 1024
_MAX_FDS = 250  # the kernel takes at most 253 in one message


class WireError(Exception):
    """The other side closed the channel, sent too much, or sent something that is no message."""


class Channel:
    """One end of a connected stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def send(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Send one message; the descriptors travel with its header.

        Raises:
            WireError: the other side is gone, or the message is too large.
        """
        body = json.dumps(message).encode()
        if len(body) > _MAX_BYTES or len(fds) > _MAX_FDS:
            raise WireError(f"a message of {len(body)} bytes with {len(fds)} descriptors is too large")
        try:
            self._socket.settimeout(30.0)
            socket.send_fds(self._socket, [_HEADER.pack(len(body))], list(fds))
            self._socket.sendall(body)
        except OSError as error:
            raise WireError(f"the channel is closed: {error}") from error

    def receive(self, timeout_s: float | None = None) -> tuple[Message, tuple[int, ...]]:
        """The next message and the descriptors that came with it.

        Raises:
            TimeoutError: no complete message within `timeout_s` seconds of wall time.
            WireError: the channel is closed or what came is no message.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        header, fds = self._receive_header(deadline)
        (size,) = _HEADER.unpack(header)
        if size > _MAX_BYTES:
            raise WireError(f"a message of {size} bytes is over the limit of {_MAX_BYTES}")
        body = self._receive_exactly(size, deadline)
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise WireError("what came is not JSON") from error
        if not isinstance(message, dict):
            raise WireError("what came is no message")
        return message, fds

    def close(self) -> None:
        self._socket.close()

    def _receive_header(self, deadline: float | None) -> tuple[bytes, tuple[int, ...]]:
        self._limit(deadline)
        try:
            data, fds, _, _ = socket.recv_fds(self._socket, _HEADER.size, _MAX_FDS)
        except TimeoutError:
            raise
        except OSError as error:
            raise WireError(f"the channel is closed: {error}") from error
        if not data:
            raise WireError("the channel is closed")
        return data + self._receive_exactly(_HEADER.size - len(data), deadline), tuple(fds)

    def _receive_exactly(self, size: int, deadline: float | None) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._limit(deadline)
            try:
                part = self._socket.recv(min(size - len(parts), 1 << 20))
            except TimeoutError:
                raise
            except OSError as error:
                raise WireError(f"the channel is closed: {error}") from error
            if not part:
                raise WireError("the channel closed in the middle of a message")
            parts += part
        return bytes(parts)

    def _limit(self, deadline: float | None) -> None:
        if deadline is None:
            self._socket.settimeout(None)
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no message in time")
        self._socket.settimeout(left)
