"""A real HTTP server on loopback that answers each request as the next behaviour in its script says."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class ScriptedServer(ThreadingHTTPServer):
    """Serves the script; once it is used up, its last behaviour goes on."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Behaviour] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.released = threading.Event()  # ends what stalls

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(json.loads(body))
        self.server.headers.append(dict(self.headers.items()))
        self.server.paths.append(self.path)
        number = len(self.server.requests) - 1
        self.server.script[min(number, len(self.server.script) - 1)](self)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def completion(content: Any = "Use 8 warps.", **changes: Any) -> dict[str, Any]:
    """The body of a chat completion; a change to None removes the field."""
    body: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion",
        "model": "small-model-0125",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def sends(status: int, body: Any, **headers: str) -> Behaviour:
    """Answers with a status and a body (JSON unless it is bytes)."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return behave


def chunk(text: Any = None, finish: str | None = None, **changes: Any) -> dict[str, Any]:
    """One event of a streamed chat completion."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}
    body = {"id": "1", "object": "chat.completion.chunk", "model": "small-model-0125", "choices": [choice]}
    return {name: value for name, value in (body | changes).items() if value is not None}


USAGE = {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}}


def events(*data: Any, done: bool = True, end: str = "\n") -> bytes:
    """The body of a stream with these events."""
    lines = [f"data: {item if isinstance(item, str) else json.dumps(item)}{end}{end}" for item in data]
    return "".join([*lines, f"data: [DONE]{end}{end}" if done else ""]).encode()


def streams(*pieces: bytes, type: str = "text/event-stream", then: Behaviour | None = None) -> Behaviour:
    """Sends a body in these pieces, without announcing its length; goes on with `then`, or closes the connection."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", type)
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
        if then is not None:
            then(handler)
        handler.close_connection = True

    return behave


def answers(content: Any = "Use 8 warps.", **changes: Any) -> Behaviour:
    """Answers with a completion."""
    return sends(200, completion(content, **changes))


def refuses(status: int, message: str, code: str | None = None, **headers: str) -> Behaviour:
    """Answers with an error in OpenAI's format."""
    return sends(status, {"error": {"message": message, "type": "error", "code": code}}, **headers)


def stalls(handler: BaseHTTPRequestHandler) -> None:
    """Takes the request and says nothing."""
    server = handler.server
    assert isinstance(server, ScriptedServer)
    server.released.wait(20)


def drips(handler: BaseHTTPRequestHandler) -> None:
    """Sends a byte now and then: no read ever times out, and the body never ends."""
    server = handler.server
    assert isinstance(server, ScriptedServer)
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while not server.released.wait(0.02):
        handler.wfile.write(b" ")


def drops(handler: BaseHTTPRequestHandler) -> None:
    """Closes the connection instead of answering."""
    handler.close_connection = True


def cuts(handler: BaseHTTPRequestHandler) -> None:
    """Announces more than it sends, and closes the connection."""
    data = json.dumps(completion()).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.close_connection = True
