"""Tells the processes of a job when one of them has ended, and why, so that none waits for it.

jax misses a dead process after half a minute and then aborts the others with exit code 134; the
death of process 0 aborts them at once. Here each process has a connection to process 0. However a
process ends, the kernel closes it, and a host that is lost it gives up on before jax does.
"""

import contextlib
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO

from audiogen_jax.sharding.stop import UNFINISHED, before_leaving, leave, process_name

HELLO_SECONDS = 5.0
"""How long a connection may take to be made, or to say whose it is."""
TELLING_SECONDS = 3.0
"""How long process 0 outlives its last words, for the others to read them: with it goes what
jax aborts them for."""
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
"""Seconds of silence, seconds between probes, and the probes after which a host is lost."""
DIED = "it was killed or has crashed, or its host is lost"
_WELCOME = b"welcome\n"
_FINISHED = b"finished\n"
_LINE_BYTES = 8192


class Hub:
    """Process 0: hears how the others end, and tells all."""

    def __init__(self, hosts: Sequence[str]):
        """Listens on all interfaces; args: names of this host that the others may know."""
        self._server = socket.create_server(("", 0))
        self._token = secrets.token_hex(8)
        self._hosts = hosts
        self._lock = threading.Lock()
        self._others: dict[socket.socket, threading.Thread] = {}
        self._cause: tuple[str, int] | None = None
        before_leaving(self._tell)
        _run(self._accept)

    @property
    def address(self) -> str:
        """What `Spoke` needs to find it."""
        port = self._server.getsockname()[1]
        return json.dumps([process_name(), self._token, port, *self._hosts])

    def finish(self) -> None:
        """Says that from now on the others may miss this process."""
        with self._lock:
            for connection in self._others:
                with contextlib.suppress(OSError):
                    connection.sendall(_FINISHED)

    def _accept(self) -> None:
        while True:
            connection, _ = self._server.accept()
            _run(self._follow, connection)

    def _follow(self, connection: socket.socket) -> None:
        connection.settimeout(HELLO_SECONDS)
        lines = connection.makefile("rb")
        token, _, name = _next_line(lines).partition(b" ")
        if token != self._token.encode():
            connection.close()
            return
        _keep_alive(connection)
        with self._lock:
            self._others[connection] = threading.current_thread()
            connection.sendall(_WELCOME)
        if (line := _next_line(lines)) == _FINISHED:
            return
        with self._lock:
            if self._cause is not None:
                return
            self._cause = _parse(line, name.decode(errors="replace").strip())
        _end_after(*self._cause)

    def _tell(self, reason: str, code: int) -> None:
        with self._lock:
            self._cause = self._cause or (f"{process_name()}: {reason}", code)
            for connection in self._others:
                with contextlib.suppress(OSError):
                    connection.sendall(_line(*self._cause))
        deadline = time.monotonic() + TELLING_SECONDS
        for thread in self._others.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))


class Spoke:
    """Any other process: tells process 0 how it ends, and hears from it about all."""

    def __init__(self, address: str):
        """Connects to process 0.

        Raises:
          OSError: none of its host's names leads to it, or to something else.
        """
        self._hub, token, port, *hosts = json.loads(address)
        self._connection = _connect(hosts, port)
        self._connection.sendall(f"{token} {process_name()}\n".encode())
        self._lines = self._connection.makefile("rb")
        if _next_line(self._lines) != _WELCOME:
            raise OSError(f"what answers at port {port} is not {self._hub}")
        _keep_alive(self._connection)
        before_leaving(self._tell)
        _run(self._follow)

    def finish(self) -> None:
        """Says that from now on the others may miss this process."""
        with contextlib.suppress(OSError):
            self._connection.sendall(_FINISHED)

    def _follow(self) -> None:
        if (line := _next_line(self._lines)) != _FINISHED:
            _end_after(*_parse(line, self._hub))

    def _tell(self, reason: str, code: int) -> None:
        self._connection.sendall(_line(f"{process_name()}: {reason}", code))


def _end_after(cause: str, code: int) -> None:
    # An error would come again; whatever else ended the other one may not.
    leave(f"another process has ended: {cause}", code if code in (1, 2) else UNFINISHED)


def _line(reason: str, code: int) -> bytes:
    return f"{code} {' '.join(reason.split())}".encode()[: _LINE_BYTES - 1] + b"\n"


def _parse(line: bytes, name: str) -> tuple[str, int]:
    """Last words of a process; none are those of a dead one."""
    code, _, reason = line.decode(errors="replace").strip().partition(" ")
    return (reason, int(code)) if code.isdigit() else (f"{name}: {DIED}", UNFINISHED)


def _next_line(lines: BinaryIO) -> bytes:
    """Empty where the other side is gone."""
    try:
        return lines.readline(_LINE_BYTES)
    except OSError:
        return b""


def _connect(hosts: Sequence[str], port: int) -> socket.socket:
    errors = []
    for host in hosts:
        try:
            return socket.create_connection((host, port), timeout=HELLO_SECONDS)
        except OSError as error:
            errors.append(f"{host}:{port}: {error.strerror or error}")
    raise OSError("; ".join(errors))


def _keep_alive(connection: socket.socket) -> None:
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # not everywhere
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _run(function: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=function, args=arguments, name="peers", daemon=True).start()
