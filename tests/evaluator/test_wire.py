import os
import socket
import threading
from collections.abc import Iterator

import pytest

from evaluator.inside.wire import Channel, WireError


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), Channel(theirs)


@pytest.fixture
def raw() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), theirs


def test_messages_and_descriptors_arrive(ends: tuple[Channel, Channel]) -> None:
    read, write = os.pipe()
    ends[0].send({"do": "x", "text": "ä" * 10}, (read,))
    message, fds = ends[1].receive(5.0)
    assert message == {"do": "x", "text": "ä" * 10}
    os.write(write, b"!")
    assert os.read(fds[0], 1) == b"!"
    for fd in (read, write, *fds):
        os.close(fd)


def test_a_large_message_arrives_whole(ends: tuple[Channel, Channel]) -> None:
    sender = threading.Thread(target=ends[0].send, args=({"source": "x" * 3_000_000},))
    sender.start()
    assert len(ends[1].receive(20.0)[0]["source"]) == 3_000_000
    sender.join()


def test_silence_is_a_timeout(ends: tuple[Channel, Channel]) -> None:
    with pytest.raises(TimeoutError):
        ends[1].receive(0.05)


def test_half_a_message_is_a_timeout_and_then_an_end(raw: tuple[Channel, socket.socket]) -> None:
    channel, other = raw
    other.sendall(b"\x00\x00\x00\x10{")
    with pytest.raises(TimeoutError):
        channel.receive(0.05)
    other.close()
    with pytest.raises(WireError):
        channel.receive(1.0)


@pytest.mark.parametrize(
    "bytes_sent",
    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x03abc", b"\x00\x00\x00\x02[]", b"\x00\x00\xc3\x50" + b"[" * 50_000],
    ids=["too long", "not JSON", "no object", "nested without end"],
)
def test_nonsense_is_told_from_a_message(raw: tuple[Channel, socket.socket], bytes_sent: bytes) -> None:
    channel, other = raw
    other.sendall(bytes_sent)
    with pytest.raises(WireError):
        channel.receive(1.0)


def test_a_closed_channel_is_told(ends: tuple[Channel, Channel]) -> None:
    ends[0].close()
    with pytest.raises(WireError):
        ends[1].receive(1.0)
