"""Server-sent events out of bytes, in whatever pieces they come (WHATWG HTML, 9.2 Server-sent events)."""

from collections.abc import Iterator


class Events:
    """Turns pieces of a body into the data of whole events.

    Lines end in LF, CR LF or CR. Comments, which servers send to keep a connection alive, and all fields but `data` are
    passed by: what an event is called stands in its data too.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[str]:
        """The data of every event that ends within this piece."""
        text = self._rest + piece
        held = b"\r" if text.endswith(b"\r") else b""  # perhaps half of a CR LF
        lines = text.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + held
        for line in lines:
            yield from self._line(line)

    def finish(self) -> Iterator[str]:
        """The data of a last event that no empty line ended; it may be half of one."""
        last, self._rest = self._rest.removesuffix(b"\r"), b""
        yield from self._line(last)
        if last:
            yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[str]:
        if not line:
            if self._data:
                data, self._data = "\n".join(self._data), []
                yield data
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode(errors="replace"))
