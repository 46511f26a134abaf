"""A chat endpoint in every mood, in this process."""

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "cost": 0.25}


class Stub(http.server.BaseHTTPRequestHandler):
    """Does what `mood` says of a request.

    That is a status, the bytes of a response, a message or the content of one, or a function of
    the handler.
    """

    protocol_version = "HTTP/1.1"
    mood: Callable[[dict], Any]
    requests: list[dict] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Stub.requests.append({"path": self.path, "key": self.headers["Authorization"], **body})
        mood = Stub.mood(body)
        if callable(mood):
            return mood(self)
        if isinstance(mood, int):
            return self.answer(b"busy", mood)
        self.answer(mood if isinstance(mood, bytes) else completion(mood))

    def answer(self, contents: bytes, code: int = 200, **headers: str):
        try:
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(contents))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(contents)
        except OSError:  # nobody waits any more
            self.close_connection = True

    def log_message(self, *_):
        pass


def completion(said: Any, **usage: Any) -> bytes:
    """A response with a message, or the content of one."""
    message = said if isinstance(said, dict) else {"content": said}
    return json.dumps({"choices": [{"message": message}], "usage": {**USAGE, **usage}}).encode()


def late(handler: Stub) -> None:
    """A response that drips."""
    _drip(handler, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" ")


def late_header(handler: Stub) -> None:
    """A response whose header drips."""
    _drip(handler, b"HTTP/1.1 200 OK\r\nX-Long: ", b"a")


def cut(handler: Stub) -> None:
    """No response."""
    handler.close_connection = True


def _drip(handler: Stub, start: bytes, drop: bytes) -> None:
    with contextlib.suppress(OSError):
        handler.wfile.write(start)
        for _ in range(20):
            handler.wfile.write(drop)
            handler.wfile.flush()
            time.sleep(0.02)
    handler.close_connection = True


@contextlib.contextmanager
def chat_server() -> Iterator[str]:
    """The address of an endpoint whose answers are those of `Stub.mood`."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
